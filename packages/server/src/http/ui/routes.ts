/** The routes of the admin page. The pages themselves are read when somebody first looks: the heap that moves bytes is to stay small. */
import { routes } from '@supercargo/protocol'
import type { FastifyInstance } from 'fastify'
import type { Edge } from '../edge.ts'
import type { Ui, UiRoute } from './ui.ts'

const pages: Readonly<Record<string, UiRoute>> = {
  '/': 'overview',
  '/resources': 'resources',
  '/resource': 'resource',
  '/sweeps': 'sweeps',
}
const deeds: Readonly<Record<string, UiRoute>> = {
  '/sign-in': 'signIn',
  '/sign-out': 'signOut',
  '/collector-release': 'collectorRelease',
  '/resource-release': 'resourceRelease',
}

export function registerUiRoutes(app: FastifyInstance, edge: Edge): void {
  let opened: Promise<Ui> | undefined
  function open(): Promise<Ui> {
    opened ??= import('./ui.ts').then(({ createUi }) => createUi(edge))
    return opened
  }
  function route(method: string | string[], path: string, name: UiRoute): void {
    app.route({
      method,
      url: `${routes.ui}${path}`,
      handler: async (request, reply) => (await open()).answer(name, request, reply),
    })
  }
  for (const [path, name] of Object.entries(pages)) route(['GET', 'HEAD'], path, name)
  for (const [path, name] of Object.entries(deeds)) route('POST', path, name)
  // Relative, as all that the pages name: a proxy may have taken a path away.
  app.route({
    method: ['GET', 'HEAD'],
    url: routes.ui,
    handler: (_request, reply) => reply.code(307).header('location', 'ui/').send(),
  })
  app.route({
    method: ['GET', 'HEAD'],
    url: `${routes.ui}/style.css`,
    handler: async (_request, reply) => {
      const { style } = await import('./style.ts')
      return reply.type('text/css; charset=utf-8').header('cache-control', 'no-cache').send(Buffer.from(style))
    },
  })
}
