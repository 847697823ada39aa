/** A store of this machine alone has no leases; one that others may have does. */
import { mkdirSync, statfsSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { Disk } from "../../../../cache/store/Disk.ts"
import * as Layout from "../../../../cache/store/Layout.ts"
import { isOfSeveral, isShared } from "../../../../cache/store/lock/Shared.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

describe("a store", () => {
  it.live("on a disk of this machine is its own, until leases are taken there", () =>
    Effect.gen(function* () {
      const store = temporaryFolder()
      if (isOfSeveral(statfsSync(store).type)) return
      // also before it is made
      const layout = Layout.make(path.join(store, "not/yet"))
      expect(yield* isShared(layout)).toBe(false)
      mkdirSync(layout.leases, { recursive: true })
      expect(yield* isShared(layout)).toBe(true)
    }).pipe(Effect.provide(Disk.layer))
  )

  it("on a file system that several machines mount is shared", () => {
    const network = { nfs: 0x6969, cifs: 0xff534d42, lustre: 0x0bd00bd0, gpfs: 0x47504653, fuse: 0x65735546 }
    const own = { ext4: 0xef53, xfs: 0x58465342, btrfs: 0x9123683e, overlay: 0x794c7630, tmpfs: 0x01021994 }
    for (const type of Object.values(network)) expect(isOfSeveral(type)).toBe(true)
    for (const type of [...Object.values(own), undefined]) expect(isOfSeveral(type)).toBe(false)
  })
})
