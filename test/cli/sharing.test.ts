/**
 * One store for several users, and one project for several containers: notes that cannot be written fail no work
 * (bazelbuild/bazel#23512, composer/composer#4070, treeverse/dvc#2287, #4545), and nobody takes another's files away.
 */
import { spawn } from "node:child_process"
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { makeProject } from "../lib/project.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const base = temporaryFolder()
chmodSync(base, 0o755)
const isRoot = process.getuid?.() === 0
const bin = path.join(repository, "bin/op-pipe.cjs")

const pipeline = (command: string, output: string): string => `
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Data = Artifact.file({ tag: "Data/v1", path: "data.txt" })
const Out = ${output}
const data = Pipeline.source({ name: "data", artifact: Data, path: "data.txt" })
const make = Stage.command({ name: "make", command: ${JSON.stringify(command)}, inputs: { data: Data }, output: { out: Out } })
export default Pipeline.make({ name: "shared", steps: [Pipeline.step(make, { inputs: { data: data.port } })] })
`
const oneFile = pipeline('cat "$data" > "$out"', 'Artifact.file({ tag: "Out/v1", path: "out.txt" })')

interface User {
  readonly uid?: number
  readonly gid?: number
  readonly umask?: number
  /** A command that op-pipe is started by. */
  readonly by?: ReadonlyArray<string>
}

const start = (cwd: string, args: ReadonlyArray<string>, { by = [], umask = 0o022, ...user }: User = {}) => {
  const cache = path.join(base, `cache-${user.uid ?? 0}`)
  mkdirSync(cache, { recursive: true })
  chownSync(cache, user.uid ?? 0, user.gid ?? 0)
  const [file, ...rest] = [...by, process.execPath, bin, ...args]
  const env = { ...process.env, NO_COLOR: "1", OP_PIPE_CACHE_DIR: cache, HOME: cache }
  const before = process.umask(umask)
  const child = spawn(file!, rest, { cwd, env, ...user })
  process.umask(before)
  let printed = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk))
  return new Promise<{ readonly code: number | null; readonly printed: string }>((resolve) =>
    child.once("close", (code) => resolve({ code, printed }))
  )
}

const project = (name: string, text: string, uid = 0): string => {
  const root = path.join(base, name)
  makeProject(root, undefined, { "pipeline.ts": text, "data.txt": "hello" })
  chownSync(root, uid, 0)
  return root
}

describe.runIf(isRoot)("a store of several users", () => {
  it("serves one of a group what another has made", async () => {
    const store = path.join(base, "group-store")
    mkdirSync(store)
    chownSync(store, 0, 54_321)
    chmodSync(store, 0o2775)
    for (const uid of [61_001, 61_002, 61_003]) {
      const root = project(`user-${uid}`, oneFile, uid)
      const { code, printed } = await start(root, ["run", "--store", store], { uid, gid: 54_321, umask: 0o002 })
      expect({ code, printed }).toMatchObject({
        code: 0,
        printed: expect.stringMatching(uid === 61_001 ? /1 executed/ : /1 cached/)
      })
      expect(readFileSync(path.join(root, "outputs/make/out.txt"), "utf8")).toBe("hello")
    }
  })

  it("takes what each of a group makes, whatever the umask", async () => {
    const store = path.join(base, "umask-store")
    mkdirSync(store)
    chownSync(store, 0, 54_321)
    chmodSync(store, 0o2775)
    const uids = [61_011, 61_012]
    const roots = uids.map((uid) => project(`user-${uid}`, oneFile, uid))
    for (const [at, maker] of [0, 1, 0].entries()) {
      for (const turn of [maker, 1 - maker]) {
        writeFileSync(path.join(roots[turn]!, "data.txt"), `text ${at}`)
        const { code, printed } = await start(roots[turn]!, ["run", "--store", store], {
          uid: uids[turn]!,
          gid: 54_321,
          umask: 0o022
        })
        expect({ code, printed }).toMatchObject({
          code: 0,
          printed: expect.stringMatching(turn === maker ? /1 executed/ : /1 cached/)
        })
      }
    }
  })

  it("serves those who may only read it", async () => {
    const store = path.join(base, "read-store")
    expect((await start(project("owner", oneFile), ["run", "--store", store])).code).toBe(0)
    const root = project("reader", oneFile, 65_534)
    for (const args of [["status"], ["run"], ["run"], ["why", "make"], ["history"]]) {
      const { code, printed } = await start(root, [...args, "--store", store], { uid: 65_534, gid: 65_534 })
      expect({ code, printed }).toMatchObject({ code: 0 })
      if (args[0] === "run") expect(printed).toContain("1 cached")
    }
    expect(readFileSync(path.join(root, "outputs/make/out.txt"), "utf8")).toBe("hello")
  })
})

it("a step finds the same modes, whatever the umask, and in a group's store", async () => {
  const root = project(
    "modes",
    `
import * as Schema from "effect/Schema"
import { Artifact, Pipeline, Stage } from "./core/index.ts"
const Tree = Artifact.folder({ tag: "Tree/v1", path: "deep/tree" })
const List = Artifact.file({ tag: "List/v1", path: "list.txt" })
const plant = Stage.command({ name: "plant", command: 'mkdir "$tree/branch" && echo leaf > "$tree/branch/leaf"', inputs: {}, output: { tree: Tree } })
const list = Stage.command({
  name: "list",
  command: 'mkdir inner && all=$(find . -printf "%y %m %P\\\\n" | sort) && echo "$all" > "$list"',
  params: Schema.Struct({ one: Schema.Int }),
  inputs: { tree: Tree },
  output: { list: List }
})
const tree = Pipeline.step(plant, { inputs: {} })
export default Pipeline.make({ name: "modes", steps: [Pipeline.step(list, { params: { one: 1 }, inputs: { tree: tree.out.tree } })] })
`
  )
  const group = path.join(base, "modes-group")
  mkdirSync(group)
  chmodSync(group, 0o2775)
  const stores = [
    [group, 0o022],
    ...[0o022, 0o002, 0o077].map((umask) => [path.join(base, `modes-${umask}`), umask] as const)
  ] as const
  for (const sandbox of ["auto", "off"]) {
    const found = new Set<string>()
    for (const [store, umask] of stores) {
      const args = ["run", "--sandbox", sandbox, "--store", `${store}/${sandbox}`]
      const { code, printed } = await start(root, args, { umask })
      expect({ code, printed }).toMatchObject({ code: 0 })
      found.add(readFileSync(path.join(root, "outputs/list/list.txt"), "utf8"))
    }
    expect([...found]).toEqual([expect.stringContaining("d 755 inner")])
  }
})

describe.runIf(isRoot)("two containers on one project", () => {
  it("leave whole outputs", async () => {
    const command = 'for i in $(seq 1 300); do echo $i > "$out/$i"; done'
    const root = project("containers", pipeline(command, 'Artifact.folder({ tag: "Out/v1", path: "many" })'))
    const by = ["unshare", "-n"]
    // where a container may not make another network
    if ((await start(root, ["doctor"], { by })).code !== 0) return
    await start(root, ["run"])
    for (let round = 0; round < 6; round++) {
      const outputs = `out-${round}`
      const ends = await Promise.all([0, 1].map(() => start(root, ["run", "--outputs", outputs], { by })))
      for (const { code, printed } of ends) expect({ code, printed }).toMatchObject({ code: 0 })
      expect(readdirSync(path.join(root, outputs, "make/many"))).toHaveLength(300)
      for (const left of [".new", ".old"]) expect(readdirSync(path.join(root, outputs, ".laid-out", left))).toEqual([])
    }
  })
})

describe.runIf(isRoot)("two machines on one store", () => {
  // a host name, process ids and a network of its own
  const by = ["unshare", ...["--uts", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]]
  const log = path.join(base, "ran.txt")
  const command = `echo ran >> ${log}; sleep 3; cat "$data" > "$out"`
  const root = project("machines", pipeline(command, 'Artifact.file({ tag: "Out/v1", path: "out.txt" })'))
  const run = (store: string, outputs: string, by: ReadonlyArray<string>) =>
    start(root, ["run", "--sandbox", "off", "--store", store, "--outputs", outputs], { by })

  it("do a step once, where the store is known to be shared; one machine's own has no leases", async () => {
    if ((await start(root, ["doctor"], { by })).code !== 0) return
    const store = path.join(base, "shared-store")
    await run(store, "out-0", by)
    expect(existsSync(path.join(store, "v1/leases"))).toBe(false)
    mkdirSync(path.join(store, "v1/leases"))
    writeFileSync(path.join(root, "data.txt"), "hello again")
    writeFileSync(log, "")
    const ends = await Promise.all(["out-1", "out-2"].map((outputs) => run(store, outputs, by)))
    for (const { code, printed } of ends) expect({ code, printed }).toMatchObject({ code: 0 })
    const printed = ends.map((each) => each.printed).join("")
    expect(printed).toMatch(/make is running in process \d+ on \S+; waiting for its result/u)
    expect(printed).toMatch(/1 executed.*1 cached|1 cached.*1 executed/su)
    expect(readFileSync(log, "utf8")).toBe("ran\n")
    expect(readdirSync(path.join(store, "v1/leases"))).toEqual([])
  })
})
