/**
 * `npm run bench:cache [-- --json] [--sizes 7,100,1000] [--only op-pipe,make] [--short]`: op-pipe beside other tools that run what
 * changed, on the same generated graphs, in one run.
 *
 * For each size and tool: everything at first; again with nothing changed; one leaf changed; one only touched; one changed
 * so that its step gives the same bytes; that change taken back; outputs deleted; a stray file among the outputs; killed
 * with SIGKILL in the middle of a step, then run. Wall time of the whole command, how many steps it executed, and whether
 * each output is what it must be are told; `!` is a wrong output, `+n` are executions beyond the least.
 *
 * Gotchas: peers from npm are installed into a temporary folder, those of the system must be there (apt-get install make
 * ninja-build snakemake); what is not there is left out and said. Needs a quiet machine.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { downstream, expected, type Graph, generate, writeSources } from "./graph.ts"
import { install } from "./install.ts"
import { type Peer, peers } from "./peers.ts"

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
const sizes = (argument("--sizes") ?? "7,100,1000,10000").split(",").map(Number)
const only = argument("--only")?.split(",")
const isShort = process.argv.includes("--short")
const asJson = process.argv.includes("--json")

interface Measured {
  readonly ms: number
  readonly executed: number
  readonly least: number
  readonly wrong: number
  readonly failed: boolean
}

const scenarios = [
  "first",
  "no-op",
  "leaf changed",
  "touched",
  "cut off",
  "taken back",
  "deleted",
  "stray file",
  "killed"
] as const
type Scenario = (typeof scenarios)[number]

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

class Bench {
  readonly peer: Peer
  readonly graph: Graph
  readonly root: string
  readonly log: string
  constructor(peer: Peer, graph: Graph, base: string, pausing = false) {
    this.peer = peer
    this.graph = graph
    this.root = path.join(base, `${peer.name}-${graph.length}`)
    this.log = path.join(base, `${peer.name}-${graph.length}.log`)
    fs.mkdirSync(this.root, { recursive: true })
    writeSources(graph, this.sources)
    peer.write(this.root, graph, { log: this.log, ...(pausing ? { pause: this.sources } : {}) })
  }
  get sources(): string {
    return path.join(this.root, "sources")
  }
  private get options() {
    return { cwd: this.root, env: { ...process.env, NO_COLOR: "1", ...this.peer.env } }
  }
  private executed(): ReadonlyArray<string> {
    const text = fs.existsSync(this.log) ? fs.readFileSync(this.log, "utf8") : ""
    fs.rmSync(this.log, { force: true })
    return text.split("\n").filter((line) => line !== "")
  }
  run(least: number): Measured {
    this.executed()
    const { file, args } = this.peer.command(this.root)
    const startedMs = performance.now()
    const { status, stdout, stderr } = spawnSync(file, [...args], {
      ...this.options,
      stdio: ["ignore", "pipe", "pipe"]
    })
    const ms = performance.now() - startedMs
    if (status !== 0 && process.env["BENCH_DEBUG"] !== undefined) console.error(`${this.peer.name}: ${stdout}${stderr}`)
    return { ms, executed: this.executed().length, least, wrong: this.wrong(), failed: status !== 0 }
  }
  wrong(): number {
    let wrong = 0
    for (const [id, content] of expected(this.graph, this.sources)) {
      const file = path.join(this.root, this.peer.output(id))
      if (!fs.existsSync(file) || fs.readFileSync(file, "utf8") !== content) wrong++
    }
    return wrong
  }
  write(content: string): void {
    fs.writeFileSync(path.join(this.sources, "s0.txt"), content)
  }
  output(id: string): string {
    return path.join(this.root, this.peer.output(id))
  }
  /** Starts the tool and kills it with all that it started, once the first step has written half of its output. */
  async killed(): Promise<void> {
    const { file, args } = this.peer.command(this.root)
    const child = spawn(file, [...args], { ...this.options, stdio: "ignore", detached: true })
    const half = path.join(this.sources, "half")
    const deadline = performance.now() + 20_000
    while (!fs.existsSync(half) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
    if (!fs.existsSync(half)) throw new Error(`${this.peer.name} did not come to the step that it is to be killed in`)
    for (const pid of descendants(child.pid!)) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // it ended by itself
      }
    }
    await new Promise((resolve) =>
      child.exitCode === null && child.signalCode === null ? child.once("exit", resolve) : resolve(0)
    )
  }
}

const descendants = (pid: number): ReadonlyArray<number> => {
  const children = execFileSync("ps", ["-e", "-o", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
  const found = [pid]
  for (const parent of found) for (const [child, of] of children) if (of === parent) found.push(child!)
  return found
}

const nothing = (bench: Bench): Measured => {
  const times = Array.from({ length: bench.graph.length > 1000 ? 3 : 5 }, () => bench.run(0))
  return {
    ...times[0]!,
    ms: median(times.map((each) => each.ms)),
    executed: Math.max(...times.map((each) => each.executed))
  }
}

const measure = (bench: Bench, report: (scenario: Scenario, measured: Measured) => void): void => {
  const { graph } = bench
  const first = "content of n0\n"
  report("first", bench.run(graph.length))
  report("no-op", nothing(bench))
  if (isShort) return
  bench.write("other content\n")
  report("leaf changed", bench.run(downstream(graph, "n0").length))
  const later = new Date(Date.now() + 2000)
  fs.utimesSync(path.join(bench.sources, "s0.txt"), later, later)
  report("touched", bench.run(0))
  bench.write("other   content\n")
  report("cut off", bench.run(1))
  bench.write(first)
  report("taken back", bench.run(0))
  for (const { id } of graph) fs.rmSync(bench.output(id), { force: true })
  report("deleted", bench.run(0))
  const stray = path.join(path.dirname(bench.output("n0")), "stray.txt")
  fs.writeFileSync(stray, "left by somebody\n")
  fs.rmSync(bench.output("n0"), { force: true })
  const measured = bench.run(0)
  // Where all outputs share a folder of the user's, a tool cannot know what is stray.
  report("stray file", { ...measured, wrong: measured.wrong + (fs.existsSync(stray) ? 1 : 0) })
  fs.rmSync(stray, { force: true })
}

/** A graph of its own whose leaves write half of their output, tell so, and wait as long as nobody has been killed. */
const measureKill = async (peer: Peer, base: string): Promise<Measured> => {
  const graph = generate(7)
  const bench = new Bench(peer, graph, path.join(base, "killed"), true)
  await bench.killed()
  fs.writeFileSync(path.join(bench.sources, "go"), "")
  const measured = bench.run(graph.length)
  peer.stop?.(bench.root)
  return measured
}

const cell = ({ ms, executed, least, wrong, failed }: Measured): string => {
  const time = ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 1000).toFixed(0)} s`
  return `${time}${executed > least ? ` +${executed - least}` : ""}${wrong > 0 ? " !" : ""}${failed ? " failed" : ""}`
}

const base = fs.mkdtempSync(path.join(os.tmpdir(), "bench-cache-"))
const say = (line: string): void => {
  if (!asJson) console.log(line)
}
try {
  const all = peers(install(base, only)).filter((peer) => only === undefined || only.includes(peer.name))
  for (const { name, version } of all) if (version === undefined) console.error(`${name} is not there: left out`)
  const present = all.filter((peer) => peer.version !== undefined)
  say(
    `${os.cpus()[0]?.model ?? "processor"}, ${os.availableParallelism()} cores, Node ${process.versions.node}, load ${os.loadavg()[0]?.toFixed(1)}`
  )
  say(present.map((peer) => `${peer.name} ${peer.version}`).join(", "))
  const bare = Array.from({ length: 9 }, () => {
    const startedMs = performance.now()
    spawnSync(process.execPath, ["-e", "0"])
    return performance.now() - startedMs
  })
  say(`node -e 0: ${median(bare).toFixed(0)} ms`)
  const results: Array<Record<string, unknown>> = []
  for (const size of sizes) {
    say(`\n${size} steps\n${["", ...scenarios].map((each) => each.padEnd(14)).join("")}`)
    for (const peer of present.filter((each) => each.atMost >= size)) {
      const row: Partial<Record<Scenario, Measured>> = {}
      const bench = new Bench(peer, generate(size), base)
      measure(bench, (scenario, measured) => {
        row[scenario] = measured
      })
      peer.stop?.(bench.root)
      fs.rmSync(bench.root, { recursive: true, force: true })
      if (size === sizes[0] && !isShort) row.killed = await measureKill(peer, base)
      results.push({ peer: peer.name, version: peer.version, size, ...row })
      say(
        [peer.name, ...scenarios.map((each) => (row[each] === undefined ? "" : cell(row[each])))]
          .map((each) => each.padEnd(14))
          .join("")
      )
    }
  }
  if (asJson) console.log(JSON.stringify({ bareNodeMs: median(bare), results }, null, 2))
} finally {
  fs.rmSync(base, { recursive: true, force: true })
}
