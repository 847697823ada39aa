/** The walls of a sealed command: what it sees, and what it does not. */
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { describe, expect, it, vi } from "vitest"
import * as Sandbox from "../../../core/executor/Sandbox.ts"
import { Artifact, Pipeline, Stage } from "../../../core/index.ts"
import { newPlace, type Place } from "../../lib/place.ts"
import { temporaryFolder } from "../../lib/temporary.ts"
import { ran, Texts } from "../../regressions/support.ts"

const Text = Artifact.file({ tag: "Text/v1", path: "text.txt" })
const texts = Pipeline.source({ name: "texts", artifact: Texts })

interface Options {
  readonly network?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly shell?: "bash" | "sh" | ReadonlyArray<string>
}

const pipeline = (command: string, options: Options = {}) => {
  const stage = Stage.command({ name: "s", command, inputs: { src: Texts }, output: { text: Text }, ...options })
  return Pipeline.make({ name: "p", steps: [Pipeline.step(stage, { inputs: { src: texts.port } })] })
}

const text = (place: Place): string => readFileSync(path.join(place.outputs, "s/text.txt"), "utf8")

/** What a command writes, sealed or not. */
const written = async (command: string, options: Options = {}, sandbox: Sandbox.Mode = "require"): Promise<string> => {
  const place = newPlace()
  const { failures } = await ran(pipeline(command, options), place, { sandbox })
  expect(failures).toEqual([])
  return text(place)
}

const failed = async (command: string, sandbox: Sandbox.Mode): Promise<string> =>
  (await ran(pipeline(command), newPlace(), { sandbox })).failures.join()

describe.skipIf(!Sandbox.availability().available)("a sealed command", () => {
  it("finds its folder, inputs and outputs at the same places in every run", async () => {
    const command = 'echo "$PWD $src $text $TMPDIR $HOME" > "$text"; find . | sort >> "$text"'
    const expected =
      "/step inputs/src outputs/text.txt /tmp /tmp\n.\n./inputs\n./inputs/src\n./inputs/src/a.txt\n./inputs/src/b.txt\n./outputs\n./outputs/text.txt\n"
    expect(await written(command)).toBe(expected)
    expect(await written(command)).toBe(expected)
  })

  it("sees no other file, no other process, and no network", async () => {
    const place = newPlace()
    const secret = path.join(place.store, "../secret.txt")
    writeFileSync(secret, "secret")
    const server = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1")
    await new Promise((resolve) => server.once("listening", resolve))
    const { port } = server.address() as AddressInfo
    const ask = `(exec 3<>/dev/tcp/127.0.0.1/${port} && echo reached || echo alone) 2>/dev/null`
    const command = `(cat ${secret} || echo hidden) > "$text" 2>/dev/null; ${ask} >> "$text"; ls /proc | grep -c '^[0-9]' >> "$text"`
    expect((await ran(pipeline(command, { shell: "bash" }), place, { sandbox: "require" })).failures).toEqual([])
    const [file, network, processes] = text(place).trim().split("\n")
    expect([file, network]).toEqual(["hidden", "alone"])
    expect(Number(processes)).toBeLessThan(8)
    const open = await written(`${ask} > "$text"`, { network: true, shell: "bash" })
    expect(open).toBe("reached\n")
    server.close()
  })

  it("cannot tell on which machine it is, nor how it was started", async () => {
    const files = ["hostname", "machine-id", "hosts"].filter((name) => existsSync(`/etc/${name}`))
    const command = `cat ${files.map((name) => `/etc/${name}`).join(" ")} | tr '\\n' ' ' > "$text"; (cat /proc/1/cmdline /proc/1/environ || true) >> "$text" 2>/dev/null`
    const told = { hostname: "op-pipe ", "machine-id": "", hosts: "127.0.0.1 localhost op-pipe ::1 localhost op-pipe " }
    expect(await written(command)).toBe(files.map((name) => told[name as keyof typeof told]).join(""))
  })

  it("cannot write to its inputs, and has the umask, locale and time zone of every machine", async () => {
    expect(await failed('echo more >> "$src/a.txt"', "require")).toContain("Read-only file system")
    expect(await written('umask > "$text"; echo "$LC_ALL $TZ" >> "$text"')).toBe("0022\nC.UTF-8 UTC\n")
  })

  it("finds programs of the user's own on PATH, with what is installed beside them", async () => {
    const place = newPlace()
    const prefix = path.join(place.store, "../prefix")
    mkdirSync(path.join(prefix, "bin"), { recursive: true })
    mkdirSync(path.join(prefix, "share"))
    writeFileSync(path.join(prefix, "share/greeting"), "hello\n")
    writeFileSync(path.join(prefix, "bin/greet"), `#!/bin/sh\ncat "$(dirname "$0")/../share/greeting"\n`)
    chmodSync(path.join(prefix, "bin/greet"), 0o755)
    const before = process.env["PATH"]
    process.env["PATH"] = `${prefix}/bin:${before}`
    const cwd = vi.spyOn(process, "cwd")
    try {
      expect(await written('greet > "$text"')).toBe("hello\n")
      // the project's own, with all of its files beside it
      cwd.mockReturnValue(prefix)
      expect(await written('(greet || echo hidden) > "$text" 2>/dev/null')).toBe("hidden\n")
    } finally {
      process.env["PATH"] = before
      cwd.mockRestore()
    }
  })

  it("is told its exit code, and the signal that ended it", async () => {
    expect(await failed("exit 7", "require")).toContain("its command ended with exit code 7")
    expect(await failed("kill -KILL $$", "require")).toContain("exit code 137 (SIGKILL")
  })

  it("is made again where a sandbox is required and its result was made without one", async () => {
    const [place, made] = [newPlace(), pipeline('echo a > "$text"')]
    expect((await ran(made, place, { sandbox: "off" })).executed).toEqual(["s"])
    expect((await ran(made, place)).cached).toEqual(["s"])
    const again = await ran(made, place, { sandbox: "require" })
    expect([again.executed, again.reasons]).toEqual([["s"], { s: ["made without a sandbox"] }])
    for (const sandbox of ["require", "off"] as const)
      expect((await ran(made, place, { sandbox })).cached).toEqual(["s"])
  })

  it("leaves nothing running", async () => {
    const seconds = `31${process.pid}.5`
    await written(`sleep ${seconds} & echo a > "$text"`)
    const isThere = existsSync("/proc") && (await written(`pgrep -f "sleep ${seconds}" > "$text" || true`, {}, "off"))
    expect(isThere).toBe("")
  })
})

describe("a command without a sandbox", () => {
  it("finds outputs at the same places, and says that it is not sealed", async () => {
    expect(await written('echo "$text" > "$text"', {}, "off")).toBe("outputs/text.txt\n")
  })
})

describe("a command", () => {
  const modes = Sandbox.availability().available ? (["require", "off"] as const) : (["off"] as const)

  it.each(modes)("stops at the first error, also within a pipe (%s)", async (sandbox) => {
    expect(await failed('cat nothing | sort > "$text"', sandbox)).toContain("No such file or directory")
    expect(await failed('false; echo a > "$text"', sandbox)).toContain("exit code 1")
    expect(await failed('echo "$unset" > "$text"', sandbox)).toContain("unset")
  })

  it.each(modes)("of any length is run (%s)", async (sandbox) => {
    const long = `${"# a comment\n".repeat(30_000)}echo long > "$text"`
    expect(await written(long, {}, sandbox)).toBe("long\n")
  })

  it.each(modes)("whose variables the system does not take fails alone, and says what to do (%s)", async (sandbox) => {
    const failure = (await ran(pipeline("true", { env: { big: "x".repeat(300_000) } }), newPlace(), { sandbox }))
      .failures
    expect(failure.join()).toContain("The arguments and variables are more than the system takes")
  })

  it("is run by the shell that it names, which counts in its key", async () => {
    expect(await written('echo "$0" > "$text"', { shell: "sh" })).toMatch(/command\n$/)
    expect(await written("require('fs').writeFileSync(process.env.text, 'node')", { shell: ["node"] })).toBe("node")
    const keys = new Set<string | undefined>()
    for (const shell of ["sh", "bash", undefined] as const) {
      const options = shell === undefined ? {} : { shell }
      keys.add((await ran(pipeline('echo a > "$text"', options), newPlace())).keys["s"])
    }
    // without a choice it is bash
    expect(keys.size).toBe(2)
  })
})

const bare = {
  writable: [],
  readable: [],
  hidden: [],
  programs: true,
  network: false,
  env: {},
  cwd: "/"
}

it("has programs that links on PATH lead to elsewhere, and of one outside of an installation its file alone", () => {
  const root = temporaryFolder()
  const greet = (at: string, text: string): void => {
    mkdirSync(path.dirname(path.join(root, at)), { recursive: true })
    writeFileSync(path.join(root, at), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  }
  greet("away/tool/bin/greet", `cat "$(dirname "$(dirname "$(readlink -f "$0")")")/share/words"`)
  greet("src/hello", `ls "$(dirname "$(readlink -f "$0")")"`)
  for (const folder of ["away/tool/share", "between", "mine"]) mkdirSync(path.join(root, folder), { recursive: true })
  writeFileSync(path.join(root, "away/tool/share/words"), "good day\n")
  writeFileSync(path.join(root, "src/secret"), "")
  symlinkSync("../away/tool/bin/greet", path.join(root, "between/greet"))
  symlinkSync(path.join(root, "between/greet"), path.join(root, "mine/greet"))
  symlinkSync("../src/hello", path.join(root, "mine/hello"))
  const env = { PATH: `${path.join(root, "mine")}:/usr/bin:/bin` }
  const [file, ...args] = Sandbox.wrap(bare, env, ["sh", "-c", "greet; hello"])
  expect(args).toEqual(expect.arrayContaining([path.join(root, "away/tool"), path.join(root, "src/hello")]))
  expect(args).not.toContain(path.join(root, "src"))
  if (!Sandbox.availability().available) return
  expect(spawnSync(file!, args, { encoding: "utf8", env }).stdout).toBe("good day\nhello\n")
})

it("mounts what PATH leads to through links at its real path, and makes the links", () => {
  const root = temporaryFolder()
  const [real, linked] = [path.join(root, "real"), path.join(root, "project/node_modules")]
  for (const folder of [path.join(real, "node/bin"), path.dirname(linked)]) mkdirSync(folder, { recursive: true })
  // a link to a link, and PATH into what lies behind them
  symlinkSync("../between", linked)
  symlinkSync(real, path.join(root, "between"))
  writeFileSync(path.join(real, "node/bin/greet"), "#!/bin/sh\necho hello\n", { mode: 0o755 })
  const walls = { ...bare, named: [linked] }
  const [file, ...args] = Sandbox.wrap(walls, { PATH: path.join(linked, "node/bin") }, [`${linked}/node/bin/greet`])
  const made = args.flatMap((each, at) => (each === "--symlink" ? [args[at + 2]] : []))
  expect(made).toEqual(expect.arrayContaining([linked, path.join(root, "between")]))
  expect(args).toContain(path.join(real, "node"))
  if (!Sandbox.availability().available) return
  expect(spawnSync(file!, args, { encoding: "utf8" }).stdout).toBe("hello\n")
})

it("a folder of programs that is made while a run goes on is there for steps that begin a little later", async () => {
  const folder = path.join(temporaryFolder(), "late/bin")
  const isThere = (): boolean =>
    Sandbox.wrap(bare, { PATH: folder }, ["true"]).some((each) => each === path.dirname(folder))
  expect(isThere()).toBe(false)
  mkdirSync(folder, { recursive: true })
  await vi.waitFor(() => expect(isThere()).toBe(true), { timeout: 3000, interval: 100 })
})
