{{/* The server's settings as options, one a line: in options a slip is refused by name, and no parser of files is loaded. */}}
{{- define "supercargo.options" -}}
- --listen=:10000
{{- if .Values.store.url }}
- --store={{ .Values.store.url }}
{{- else }}
- --store=/var/lib/supercargo
{{- end }}
- --pod-url={{ .Values.podUrl | default (include "supercargo.serviceUrl" (list . "$(NAMESPACE)")) }}
{{- with include "supercargo.publicUrl" . }}
- --public-url={{ . }}
{{- end }}
- --kube={{ ternary "auto" "none" .Values.lookUpOwners }}
- --auth={{ .Values.auth }}
{{- if .Values.allowAnonymous }}
- --allow-anonymous
{{- end }}
{{- if include "supercargo.tlsSecret" . }}
- --tls-cert-file=/etc/supercargo/tls/tls.crt
- --tls-key-file=/etc/supercargo/tls/tls.key
{{- end }}
- --drain-timeout-ms={{ .Values.drainSeconds }}s
- --log-level={{ .Values.logLevel }}
{{- include "supercargo.flags" (list "" .Values.config) }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* Of a tree of settings, each leaf: { limits: { fileBytesMax: 1Gi } } is --limits-file-bytes-max=1Gi. Lists of words are joined by commas, others are JSON. */}}
{{- define "supercargo.flags" -}}
{{- $prefix := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- $name := printf "%s%s" $prefix (kebabcase $key) -}}
{{- if kindIs "map" $value -}}
{{- include "supercargo.flags" (list (printf "%s-" $name) $value) -}}
{{- else if kindIs "bool" $value -}}
{{- if $value }}
- --{{ $name }}
{{- end -}}
{{- else if kindIs "slice" $value }}
{{- $words := true -}}
{{- range $value }}{{ if not (kindIs "string" .) }}{{ $words = false }}{{ end }}{{ end }}
- {{ printf "--%s=%s" $name (ternary (join "," $value) (toJson $value) $words) | quote }}
{{- else if kindIs "float64" $value }}
- --{{ $name }}={{ if eq $value (floor $value) }}{{ int64 $value }}{{ else }}{{ $value }}{{ end }}
{{- else if not (kindIs "invalid" $value) }}
- {{ printf "--%s=%v" $name $value | quote }}
{{- end -}}
{{- end -}}
{{- end }}
