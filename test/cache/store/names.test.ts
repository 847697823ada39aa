/** Folders as people's tools leave them: with names that are no text, and closed to their own owner. */

import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { Disk } from "../../../cache/store/Disk.ts"
import { Artifact, Pipeline, Stage } from "../../../core/index.ts"
import { repository } from "../../lib/cli.ts"
import { newPlace } from "../../lib/place.ts"
import { temporaryFolder } from "../../lib/temporary.ts"
import { ran } from "../../regressions/support.ts"

const withDisk = <A>(use: (disk: Disk["Service"]) => Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(Effect.provide(Effect.flatMap(Disk, use), Disk.layer) as Effect.Effect<A>)

describe("a folder", () => {
  it("with a name in it that is not UTF-8 is an error that says which, and what to do", async () => {
    const root = temporaryFolder()
    writeFileSync(Buffer.concat([Buffer.from(`${root}/caf`), Buffer.from([0xe9]), Buffer.from(".txt")]), "latin")
    const error = await withDisk((disk) => Effect.flip(disk.listFiles(root)))
    expect(String((error as Error).message)).toBe(
      `could not list ${root}: expected entry names in UTF-8, but found "caf\ufffd.txt". Rename the entry (mv, convmv), or move it elsewhere`
    )
  })

  it("with the replacement character in a name is like any other", async () => {
    const root = temporaryFolder()
    writeFileSync(path.join(root, "\ufffd.txt"), "")
    expect(await withDisk((disk) => disk.list(root))).toHaveLength(1)
  })

  it("that is deeper than a path can say is removed, and is no output", async () => {
    const place = newPlace({})
    const stage = Stage.command({
      name: "s",
      command: `cd "$dir"; for i in $(seq 60); do mkdir ${"y".repeat(100)}; cd -P y*; done`,
      inputs: {},
      output: { dir: Artifact.folder({ tag: "Folder/v1", path: "dir" }) }
    })
    const pipeline = Pipeline.make({ name: "deep", steps: [Pipeline.step(stage, { inputs: {} })] })
    const { failures } = await ran(pipeline, place)
    expect(failures).toEqual([expect.stringMatching(/^s: output dir: expected paths .* a path has \d{4} bytes$/)])
    expect(readdirSync(path.join(place.store, "v1/work"))).toEqual([])
  })

  it("that is closed to its owner is removed all the same", () => {
    const root = temporaryFolder()
    const folder = path.join(root, "outer")
    mkdirSync(path.join(folder, "inner"), { recursive: true })
    writeFileSync(path.join(folder, "inner/file"), "")
    const script = `import * as Effect from "effect/Effect"
import { chmodSync } from "node:fs"
import { Disk } from ${JSON.stringify(path.join(repository, "cache/store/Disk.ts"))}
if (process.getuid() === 0) process.setuid(65534)
chmodSync(${JSON.stringify(folder)} + "/inner", 0o555)
chmodSync(${JSON.stringify(folder)}, 0)
const remove = Effect.flatMap(Disk, (disk) => disk.remove(${JSON.stringify(folder)}))
await Effect.runPromise(Effect.provide(remove, Disk.layer))`
    spawnSync("chown", ["-R", "65534", root])
    chmodSync(root, 0o777)
    const { stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { cwd: repository })
    expect(stderr.toString()).not.toContain("Error")
    expect(existsSync(folder)).toBe(false)
  })

  it("that a command closed is taken, and its work folder is removed", async () => {
    const place = newPlace({})
    const Folder = Artifact.folder({ tag: "Folder/v1", path: "dir" })
    const stage = Stage.command({
      name: "s",
      command: 'mkdir -p "$dir/in"; echo a > "$dir/in/a"; chmod 555 "$dir/in"; chmod 0 "$dir"',
      inputs: {},
      output: { dir: Folder }
    })
    const pipeline = Pipeline.make({ name: "closed", steps: [Pipeline.step(stage, { inputs: {} })] })
    expect((await ran(pipeline, place)).failures).toEqual([])
    expect(await ran(pipeline, place)).toMatchObject({ cached: ["s"] })
  })
})
