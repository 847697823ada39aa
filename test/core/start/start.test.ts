/**
 * What the command line loads before it knows what there is to do. A run with nothing to do is mostly this: a package that
 * is imported at the top of a stage, and not where the work is done, costs every run.
 */
import { spawn, spawnSync } from "node:child_process"
import { copyFileSync, existsSync, globSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { events, lastEvent, opPipe, repository, runLetters } from "../../lib/cli.ts"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

/** The packages that loading these modules loads. */
const packagesOf = (modules: ReadonlyArray<string>): ReadonlyArray<string> => {
  const program = `
    import { registerHooks } from "node:module"
    const loaded = new Set()
    registerHooks({
      load: (url, context, next) => {
        const found = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)/u.exec(url)
        if (found !== null) loaded.add(found[1])
        return next(url, context)
      }
    })
    for (const each of ${JSON.stringify(modules.map((each) => path.join(repository, each)))}) await import(each)
    console.log(JSON.stringify([...loaded]))
  `
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8"
  })
  if (stdout === "") throw new Error(stderr)
  return JSON.parse(stdout) as ReadonlyArray<string>
}

/** Effect and the hash: what everything is written with. */
const allowed = ["effect", "@effect/platform-node-shared", "xxhash-wasm"]

/** `op-pipe` with `args` in a process that evaluates `preload` first. */
const preloaded = (preload: string, args: ReadonlyArray<string>) => {
  const root = temporaryFolder()
  writeFiles(root, { "preload.mjs": preload })
  return opPipe(args, { cwd: root, env: { NODE_OPTIONS: `--import=${path.join(root, "preload.mjs")}` } })
}

describe("the start", () => {
  it("loads no package that only the work of a stage needs", () => {
    const packages = packagesOf(["cli/Main.ts", "pipeline.ts"])
    expect(packages.toSorted()).toEqual(allowed.toSorted())
  })

  it("would tell of one: the module that does the work loads it", () => {
    expect(packagesOf(["stages/lib/tables/ArrowTable.ts"])).toContain("apache-arrow")
  })

  it("says so when a module of the pipeline's waits for what never comes", async () => {
    const root = temporaryFolder()
    const soon = "(done, ms, ...given) => later(done, ms === 10_000 ? 20 : ms, ...given)"
    writeFiles(root, {
      "package.json": '{ "type": "module" }',
      "pipeline.ts": "setTimeout(() => {}, 60_000); await new Promise(() => {})",
      "preload.mjs": `const later = globalThis.setTimeout; globalThis.setTimeout = ${soon}`
    })
    const env = { NODE_OPTIONS: `--import=${path.join(root, "preload.mjs")}` }
    const child = spawn(process.execPath, [path.join(repository, "bin/op-pipe.cjs"), "status"], {
      cwd: root,
      env: { ...process.env, ...env }
    })
    const said = await new Promise<string>((resolve) => child.stderr.once("data", (text) => resolve(String(text))))
    child.kill("SIGINT")
    expect(said).toBe(
      "op-pipe: the pipeline is still being loaded after 10 s: one of its modules computes, or awaits what does not come. Ctrl-C ends it\n"
    )
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(130)
  })

  it("says so where the working directory was removed", () => {
    const line = 'cd "$(mktemp -d)" && rmdir "$PWD" && exec "$0" "$1" status'
    const program = path.join(repository, "bin/op-pipe.cjs")
    const { status, stderr } = spawnSync("sh", ["-c", line, process.execPath, program], { encoding: "utf8" })
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr:
        "op-pipe: expected a working directory, but it was removed. Change to a folder that is there (cd), and run again\n"
    })
  })

  it.each([
    { HOME: "", OP_PIPE_CACHE_DIR: "", XDG_CACHE_HOME: "relative", XDG_CONFIG_HOME: "" },
    ...(existsSync("/proc/self") ? [{ OP_PIPE_CACHE_DIR: "/proc/x" }] : [])
  ])("keeps nothing in the working directory, and ends where no cache can be made (%j)", async (env) => {
    const cwd = temporaryFolder()
    expect(await opPipe(["status"], { cwd, env })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/op-pipe init/u)
    })
    expect(readdirSync(cwd)).toEqual([])
  })

  it("goes without bundles when it is told to, for the command line and for a stage", async () => {
    const cwd = temporaryFolder()
    writeFiles(cwd, { "texts/a.txt": "one two" })
    const env = { OP_PIPE_CACHE_DIR: path.join(cwd, "cache"), OP_PIPE_BUNDLE: "off" }
    const finished = await opPipe(runLetters(), { cwd, env })
    expect(lastEvent(finished).executed).toContain("words")
    expect(globSync("cache/**", { cwd })).toEqual([])
    const bundled = await opPipe(runLetters(), { cwd, env: { ...env, OP_PIPE_BUNDLE: "" } })
    expect(lastEvent(bundled).executed).toEqual([])
    expect(globSync("cache/**", { cwd })).not.toEqual([])
  })

  // cases of kind H: a program that is installed for all projects ran them with another copy than what they import
  it("is the project's own copy's, where it has one", async () => {
    const root = temporaryFolder()
    writeFiles(root, {
      "pipeline.ts": "export default 1",
      "sub/notes.txt": "",
      "node_modules/op-pipe/core/start/start.cjs": `exports.start = (args) => console.log("its own:", ...args)`
    })
    const { stdout } = await opPipe(["status", "--json"], { cwd: path.join(root, "sub") })
    expect(stdout).toBe("its own: status --json\n")
  })

  const withoutSegmenter = `Intl.Segmenter = class { constructor() { throw new Error("a segmenter was made") } }`

  it("makes no segmenter, which loads tables for a tenth of its time", async () => {
    const version = await preloaded(withoutSegmenter, ["--version"])
    expect(version.code, version.stderr).toBe(0)
  })

  it("would tell of one: help needs it", async () => {
    const help = await preloaded(withoutSegmenter, ["--help"])
    expect(help.stdout + help.stderr).toContain("a segmenter was made")
    expect((await preloaded("", ["--help"])).stdout).toContain("SUBCOMMANDS")
  })
})

describe("a bundle", () => {
  it("that cannot be made is done without", async () => {
    const root = temporaryFolder()
    writeFiles(root, { "texts/a.txt": "hello\n", "no-folder": "" })
    const finished = await opPipe(runLetters(), {
      cwd: root,
      env: { OP_PIPE_CACHE_DIR: path.join(root, "no-folder") }
    })
    expect(finished.code, finished.stderr).toBe(0)
    expect(lastEvent(finished).executed).toHaveLength(4)
  })

  /** A folder with a run of `letters` behind it, whose bundle is in it; and the code that V8 compiled, by its file's name. */
  const runApart = async () => {
    const root = temporaryFolder()
    writeFiles(root, { "texts/a.txt": "hello\n" })
    const again = async (env: Readonly<Record<string, string>> = {}) => {
      const apart = { OP_PIPE_CACHE_DIR: path.join(root, "cache"), ...env }
      const finished = await opPipe(runLetters(), { cwd: root, env: apart })
      expect(finished.code, finished.stderr).toBe(0)
      return lastEvent(finished)
    }
    await again()
    const compiled = (): ReadonlyArray<string> =>
      globSync(path.join(root, "cache/start/*/made-*/compiled/run*")).toSorted()
    return { root, again, compiled }
  }

  it("is a script, of which the code that V8 compiled is kept of the second run", async () => {
    const { again, compiled } = await runApart()
    const names = () => compiled().map((file) => path.basename(file))
    expect(names()).toEqual(["run-once"])
    expect((await again()).cached).toHaveLength(4)
    expect(names()).toEqual(["run", "run-once"])
    const before = compiled().map((file) => statSync(file).mtimeMs)
    await again()
    expect(compiled().map((file) => statSync(file).mtimeMs)).toEqual(before)
  })

  it("keeps the code for each set of V8's flags, and keeps it anew where V8 rejects it", async () => {
    const { again, compiled } = await runApart()
    const names = () => compiled().map((file) => path.basename(file).replace(/-[0-9a-f]{12}/u, "-FLAGS"))
    const flags = { NODE_OPTIONS: "--max-old-space-size=2048" }
    await again(flags)
    await again(flags)
    await again()
    expect(names()).toEqual(["run", "run-FLAGS", "run-FLAGS-once", "run-once"])
    // as if it came from another processor: V8 rejects what was compiled under other flags
    const [own, other] = compiled()
    copyFileSync(other!, own!)
    await again()
    expect(readFileSync(own!).equals(readFileSync(other!))).toBe(false)
  })

  it("is a script also where a module has the names of esbuild's own helpers", async () => {
    const root = temporaryFolder()
    const names = ["mod", "isNodeMode", "target", "__toESM"].map((name) => `export const ${name} = "${name}"`)
    writeFiles(root, { "pipeline.ts": `${names.join("\n")}\nimport * as path from "node:path"\nconsole.log(path.sep)` })
    await opPipe(["status"], { cwd: root, env: { OP_PIPE_CACHE_DIR: path.join(root, "cache") } })
    expect(globSync(path.join(root, "cache/start/*/made-*/program.js"))).toHaveLength(1)
  })

  it("does not believe code of which a byte is another", async () => {
    const { again, compiled } = await runApart()
    await again()
    const [file] = compiled()
    const bytes = readFileSync(file!)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(file!, bytes)
    expect((await again()).cached).toHaveLength(4)
    // it was made again, and is believed
    expect(readFileSync(file!).equals(bytes)).toBe(false)
    const made = statSync(file!).mtimeMs
    await again()
    expect(statSync(file!).mtimeMs).toBe(made)
  })

  it("does not believe code of another text, be it as long", async () => {
    const { root, again } = await runApart()
    await again()
    for (const program of globSync(path.join(root, "cache/start/*/made-*/program.js")))
      writeFileSync(program, readFileSync(program, "utf8").replaceAll('"StepCached"', '"StepCACHED"'))
    const { stdout } = await opPipe(runLetters(), {
      cwd: root,
      env: { OP_PIPE_CACHE_DIR: path.join(root, "cache") }
    })
    expect(stdout).toContain('"StepCACHED"')
  })

  it("is of modules where one waits for another", async () => {
    const root = temporaryFolder()
    writeFiles(root, {
      "package.json": '{ "type": "module" }',
      "name.ts": 'export const name = "waiting"',
      "other.ts": 'import { name } from "./name.ts"\nexport const command = `echo ${name} > "$text"`',
      "pipeline.ts": `import { Artifact, Pipeline, Stage } from ${JSON.stringify(path.join(repository, "core/index.ts"))}
import { name } from "./name.ts"
const { command } = await import("./other.ts")
const output = { text: Artifact.file({ tag: "Text/v1", path: "text.txt" }) }
export default Pipeline.make({ name, steps: [Pipeline.step(Stage.command({ name, command, inputs: {}, output }), { inputs: {} })] })
`
    })
    const finished = await opPipe(["run"], { cwd: root })
    expect(finished.code, finished.stderr).toBe(0)
    expect(readFileSync(path.join(root, "outputs/waiting/text.txt"), "utf8")).toBe("waiting\n")
  })

  it("tells the places of a trace as places in the sources", async () => {
    const root = temporaryFolder()
    writeFiles(root, { "texts/a.txt": "hello\n" })
    const finished = await opPipe([...runLetters(), "--set", "words.fail=bug"], { cwd: root })
    expect(finished.code).toBe(1)
    const failed = events(finished).find((event) => event.type === "StepFailed")
    const source = readFileSync(path.join(repository, "test/fixtures/letters/stages.ts"), "utf8").split("\n")
    const line = source.findIndex((each) => each.includes("a slip of the pen")) + 1
    expect(failed).toMatchObject({ step: "words", fault: "stage" })
    expect(JSON.stringify(failed)).toContain(`test/fixtures/letters/stages.ts:${line}:`)
    expect(JSON.stringify(failed)).not.toContain("/made-")
  })
})
