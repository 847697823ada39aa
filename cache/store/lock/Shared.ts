/**
 * Shared: whether processes of other machines may work with a store, so that a lock of this one's kernel is not enough.
 *
 * Two things tell: the store lies on a file system that several machines mount, or leases were taken there before, as each run
 * with `--on` does. The first is asked once a process and the second is one call a step that is executed, so that a store of this
 * machine's own has no leases and no cost of them.
 */
import { statfsSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { Disk } from "../Disk.ts"
import type { Layout } from "../Layout.ts"

/** File systems that several machines, or a machine and its guests, mount; by the kernel's magic numbers. */
const ofSeveral: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0xff534d42, // CIFS
  0xfe534d42, // SMB 2 and later
  0x517b, // SMB 1
  0x0bd00bd0, // Lustre
  0x47504653, // GPFS
  0x19830326, // BeeGFS
  0x00c36400, // Ceph
  0xaad7aaea, // PanFS
  0x20030528, // OrangeFS
  0x5346414f, // AFS
  0x6b414653, // AFS, the kernel's own
  0x73757245, // Coda
  0x01161970, // GFS2
  0x7461636f, // OCFS2
  0x01021997, // 9P
  0x786f4256, // folders of VirtualBox
  0x65735546 // FUSE: sshfs, GlusterFS, CephFS, virtiofs, mounted buckets
])

/** Whether a file system of this type may be other machines' too. */
export const isOfSeveral = (type: number | undefined): boolean => type !== undefined && ofSeveral.has(type)

/** The type of the file system that `folder` lies on, or will; undefined where the system does not tell. */
const typeOf = (folder: string): number | undefined => {
  // other systems number their file systems as they were loaded
  if (process.platform !== "linux") return undefined
  try {
    return statfsSync(folder).type
  } catch {
    const above = path.dirname(folder)
    return above === folder ? undefined : typeOf(above)
  }
}

/** By the store's folder. */
const types = new Map<string, number | undefined>()

export const isShared = Effect.fnUntraced(function* ({ root, leases }: Layout) {
  if (!types.has(root)) types.set(root, typeOf(root))
  if (isOfSeveral(types.get(root))) return true
  return yield* Effect.orElseSucceed((yield* Disk).exists(leases), () => false)
})
