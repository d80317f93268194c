/** The control groups of an instance: its own in every hierarchy, with every controller in either version, and gone afterwards. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeWith } from '../running.ts'
import { openSite, type Site, stopSite } from '../site.ts'
import { makeControlGroups } from './control-groups.ts'

describeWith(['kubernetes-node'], 'the control groups of a node', () => {
  let site: Site

  beforeEach(() => {
    const directory = mkdtempSync(join(tmpdir(), 'supercargo-groups-'))
    site = openSite(directory, { say: () => undefined, signal: new AbortController().signal })
  })

  afterEach(async () => {
    await stopSite(site.directory)
    rmSync(site.directory, { recursive: true, force: true })
  })

  it('are one in every hierarchy of this machine, with all controllers, and go with the instance', async () => {
    const { name } = await makeControlGroups(site)
    const hierarchies = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => / - cgroup2? /.test(line))
      .map((line) => line.split(' ')[4]!)
    expect(hierarchies.length).toBeGreaterThan(0)
    for (const hierarchy of hierarchies) {
      const controllers = (group: string): string => readFileSync(join(group, 'cgroup.controllers'), 'utf8')
      expect(existsSync(join(hierarchy, name, 'machine', 'cgroup.procs')), hierarchy).toBe(true)
      // Of the second version; in the first a hierarchy is its controllers.
      if (existsSync(join(hierarchy, 'cgroup.controllers')))
        expect(controllers(join(hierarchy, name))).toBe(controllers(hierarchy))
    }
    await stopSite(site.directory)
    for (const hierarchy of hierarchies) expect(existsSync(join(hierarchy, name)), hierarchy).toBe(false)
  })
})
