{{/* What everything is called, and what tells it from others. */}}
{{- define "supercargo.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "supercargo.selector" -}}
app.kubernetes.io/name: supercargo
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "supercargo.labels" -}}
{{ include "supercargo.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "supercargo.account" -}}
{{- .Values.serviceAccount.name | default (include "supercargo.name" .) -}}
{{- end }}

{{/* Call with (list . .Values.image.server). */}}
{{- define "supercargo.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- with $root.Values.image.registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "supercargo.tlsSecret" -}}
{{- if .Values.tls.issuerRef.name }}{{ include "supercargo.name" . }}-tls{{ else }}{{ .Values.tls.secretName }}{{ end }}
{{- end }}

{{- define "supercargo.scheme" -}}
{{- if include "supercargo.tlsSecret" . }}https{{ else }}http{{ end }}
{{- end }}

{{- define "supercargo.podUrl" -}}
{{- .Values.podUrl | default (include "supercargo.serviceUrl" (list . .Release.Namespace)) -}}
{{- end }}

{{/* Call with (list . namespace). */}}
{{- define "supercargo.serviceUrl" -}}
{{- $root := index . 0 -}}
{{- include "supercargo.scheme" $root }}://{{ include "supercargo.name" $root }}.{{ index . 1 }}.svc:{{ $root.Values.service.port -}}
{{- end }}

{{- define "supercargo.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{- .Values.publicUrl -}}
{{- else if and .Values.ingress.enabled .Values.ingress.host -}}
{{- ternary "https" "http" .Values.ingress.tls }}://{{ .Values.ingress.host }}{{ trimSuffix "/" .Values.ingress.path -}}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames -}}
{{- ternary "https" "http" .Values.httpRoute.https }}://{{ first .Values.httpRoute.hostnames }}{{ trimSuffix "/" .Values.httpRoute.path -}}
{{- end -}}
{{- end }}

{{- define "supercargo.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Of what "helm test" makes: the weight says what comes first. What succeeded is removed, what failed stays for a look. */}}
{{- define "supercargo.hook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
