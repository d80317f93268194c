/** A small application as a submission renders it: every kind of object that one creates. */
import { ApiClient, type ApiRequest } from '@supercargo/kube'
import { Configuration, type Prepared, prepare, type Rendered, render } from '@supercargo/submit'

/** Everything is in the image, so nothing is staged. */
export function preparedIn(namespace: string, conf: Readonly<Record<string, string>> = {}): Promise<Prepared> {
  return prepare({
    args: {
      given: new Map([['class', ['com.example.Main']]]),
      application: 'local:///opt/app.jar',
      applicationArguments: [],
    },
    own: {
      server: undefined,
      podServer: undefined,
      caFile: undefined,
      initImage: 'init:1',
      distribution: undefined,
      sparkVersion: undefined,
      hostAliases: ['192.0.2.1=name.example'],
      namespace,
      owner: undefined,
    },
    environment: {},
    directory: '/',
    contextNamespace: async () => undefined,
    configuration: Configuration.of({
      'spark.kubernetes.container.image': 'spark:4.1.2',
      // Fetched by the init-container, with credentials: the plan is kept in a Secret.
      'spark.jars': 's3a://bucket/dep.jar',
      'spark.hadoop.fs.s3a.access.key': 'key',
      ...conf,
    }),
    nowMs: Date.now(),
  })
}

export interface Small extends Pick<Prepared['submission'], 'application'> {
  readonly rendered: Rendered
}

export async function smallApplication(namespace: string, conf: Readonly<Record<string, string>> = {}): Promise<Small> {
  const { submission } = await preparedIn(namespace, conf)
  return { application: submission.application, rendered: render(submission) }
}

/** Calls `at` around the n-th request, counted from 1: before it is sent, or when its answer is there. */
export class CountingClient extends ApiClient {
  calls = 0
  readonly #at: (call: number, when: 'before' | 'after', request: ApiRequest) => void

  constructor(
    connection: ApiClient['connection'],
    at: (call: number, when: 'before' | 'after', request: ApiRequest) => void,
  ) {
    super(connection)
    this.#at = at
  }

  override async request(request: ApiRequest, signal: AbortSignal): ReturnType<ApiClient['request']> {
    const call = ++this.calls
    this.#at(call, 'before', request)
    const answer = await super.request(request, signal)
    this.#at(call, 'after', request)
    return answer
  }
}
