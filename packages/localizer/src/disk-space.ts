/** Space on the target's file systems: counted before the first byte, and again when a source tells a size that was not known. */
import { formatBytes, SupercargoError } from '@supercargo/protocol'
import type { Disk } from './disk.ts'

/** Left free: a full file system breaks more than this program. */
const spareBytes = 1 << 20

export class DiskSpace {
  readonly #disk: Disk
  readonly #volumes = new Map<number, { path: string; freeBytes: number; claimedBytes: number }>()

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /**
   * Claims room below `directory`, which exists. Throws kind `exhausted` when all claims on its file system together are
   * more than was free at the first of them.
   */
  claim(directory: string, bytes: number): void {
    if (bytes <= 0) return
    const device = this.#disk.stat(directory)!.dev
    let volume = this.#volumes.get(device)
    if (volume === undefined) {
      volume = { path: directory, freeBytes: this.#disk.freeBytes(directory), claimedBytes: 0 }
      this.#volumes.set(device, volume)
    }
    volume.claimedBytes += bytes
    const needBytes = volume.claimedBytes + spareBytes
    if (needBytes <= volume.freeBytes) return
    const context = { needBytes, haveBytes: volume.freeBytes }
    throw new SupercargoError(
      'exhausted',
      'not-enough-space',
      `${directory} has ${formatBytes(volume.freeBytes)} free, and ${formatBytes(needBytes)} are needed (${volume.freeBytes} and ${needBytes} bytes)`,
      { hint: 'use a larger volume, or raise its sizeLimit', context },
    )
  }
}
