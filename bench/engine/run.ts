/**
 * `npm run bench:engine [-- --json] [--quick] [--threads N]`: op-pipe's native engine beside tuned PyTorch, in one run.
 *
 * Both sides train and infer the seed network at 224 x 224 from uint8 images, with the same optimizer. They take turns,
 * some repeats each, so that a machine that slows down slows both; the figure of a side is its best repeat, the ratio
 * that of the best repeats. Without python3-torch only op-pipe's figures are printed.
 *
 * Gotchas: needs a quiet machine; what else runs shows first in PyTorch, whose threads wait for each other by spinning.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as readline from "node:readline"
import { flopsOf } from "./flops.ts"
import type { Answer, Request } from "./protocol.ts"

const flags = new Set(process.argv.slice(2))
const threadsAt = process.argv.indexOf("--threads")
const threads = threadsAt < 0 ? os.availableParallelism() : Number(process.argv[threadsAt + 1])
const batches = flags.has("--quick") ? [32] : [16, 32, 64]
const rounds = 3
const repeats = 4

interface Greeting {
  readonly torch: string
  readonly blas: string
}

interface Side {
  readonly greeting?: Greeting
  readonly ask: (request: Request) => Promise<Answer>
  readonly stop: () => void
}

const startSide = (
  command: string,
  args: ReadonlyArray<string>,
  env: NodeJS.ProcessEnv,
  greets: boolean
): Promise<Side | undefined> =>
  new Promise((resolve) => {
    const child: ChildProcess = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "inherit"]
    })
    const waiting: Array<(line: string) => void> = []
    const ask = (request: Request): Promise<Answer> =>
      new Promise((answer) => {
        waiting.push((line) => answer(JSON.parse(line) as Answer))
        child.stdin!.write(`${JSON.stringify(request)}\n`)
      })
    const side: Side = { ask, stop: () => void child.stdin!.end() }
    child.on("error", () => resolve(undefined))
    child.on("exit", (code) => {
      if (code !== 0) resolve(undefined)
    })
    if (greets) waiting.push((line) => resolve({ ...side, greeting: JSON.parse(line) as Greeting }))
    readline.createInterface({ input: child.stdout! }).on("line", (line) => waiting.shift()?.(line))
    if (!greets) resolve(side)
  })

const startTorch = (): Promise<Side | undefined> => {
  const script = new URL("./torch_bench.py", import.meta.url).pathname
  const python = process.env["PYTHON"] ?? "/usr/bin/python3"
  // glibc would give freed memory back and get it again, page by page, on every step
  const keep = String(2 ** 32)
  const env = {
    MALLOC_MMAP_THRESHOLD_: keep,
    MALLOC_TRIM_THRESHOLD_: keep,
    MALLOC_TOP_PAD_: String(2 ** 28),
    OMP_NUM_THREADS: String(threads)
  }
  return fs.existsSync(python) ? startSide(python, [script, String(threads)], env, true) : Promise.resolve(undefined)
}

interface Row {
  readonly mode: "train" | "infer"
  readonly batch: number
  readonly bn: boolean
  readonly bf16: boolean
  readonly imagesPerSecond: number
  readonly torchImagesPerSecond: number | null
  readonly ratio: number | null
  readonly faultsPerStep: number
}

const measure = async (ours: Side, torch: Side | undefined, what: Omit<Request, "repeats">): Promise<Row> => {
  const times: Array<number> = []
  const torchTimes: Array<number> = []
  let faultsPerStep = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const mine = await ours.ask({ ...what, repeats: repeats * 2 })
    times.push(...mine.seconds)
    faultsPerStep = Math.min(faultsPerStep, mine.faultsPerStep ?? 0)
    if (torch !== undefined) torchTimes.push(...(await torch.ask({ ...what, repeats })).seconds)
  }
  const imagesPerSecond = what.batch / Math.min(...times)
  const torchImagesPerSecond = torch === undefined ? null : what.batch / Math.min(...torchTimes)
  const ratio = torchImagesPerSecond === null ? null : imagesPerSecond / torchImagesPerSecond
  const { batch, bn, bf16 } = what
  return {
    mode: what.mode as Row["mode"],
    batch,
    bn,
    bf16,
    imagesPerSecond,
    torchImagesPerSecond,
    ratio,
    faultsPerStep
  }
}

const rowText = (row: Row): string => {
  const number = (x: number | null, digits: number, width: number): string =>
    (x === null ? "-" : x.toFixed(digits)).padStart(width)
  const name = `${row.mode.padEnd(6)}${String(row.batch).padStart(3)}  ${row.bn ? "BN   " : "no BN"}  ${row.bf16 ? "bf16" : "fp32"}`
  return `${name}${number(row.imagesPerSecond, 0, 10)}${number(row.torchImagesPerSecond, 0, 10)}${number(row.ratio, 2, 8)}${number(row.faultsPerStep, 1, 9)}`
}

const profile = async (ours: Side, bn: boolean, bf16: boolean) => {
  const { phases = {}, peakFlops = 0 } = await ours.ask({ mode: "profile", bn, bf16, batch: 32, repeats: 6 })
  const kernels = Object.entries(phases).map(([name, seconds]) => {
    const flops = flopsOf(name, 32, bn)
    return {
      name,
      milliseconds: seconds * 1e3,
      gflops: flops === null ? null : flops / seconds / 1e9,
      share: flops === null ? null : flops / seconds / peakFlops
    }
  })
  return { bn, bf16, peakGflops: peakFlops / 1e9, kernels }
}

const printProfile = (p: Awaited<ReturnType<typeof profile>>): void => {
  console.log(
    `\none thread, batch 32, ${p.bn ? "BN" : "no BN"}, ${p.bf16 ? "bf16" : "fp32"}: FMA peak ${p.peakGflops.toFixed(0)} GFLOP/s`
  )
  for (const k of p.kernels) {
    const rate =
      k.gflops === null
        ? ""
        : `${k.gflops.toFixed(0).padStart(6)} GFLOP/s ${(100 * (k.share ?? 0)).toFixed(0).padStart(4)} %`
    console.log(`  ${k.name.padEnd(32)}${k.milliseconds.toFixed(2).padStart(8)} ms ${rate}`)
  }
}

const main = async (): Promise<void> => {
  const json = flags.has("--json")
  const say = (line: string): void => (json ? console.error(line) : console.log(line))
  const ours = await startSide(
    process.execPath,
    [new URL("./side.ts", import.meta.url).pathname, String(threads)],
    {},
    false
  )
  const torch = await startTorch()
  if (ours === undefined) throw new Error("op-pipe's side did not start")
  say(`${os.cpus()[0]?.model ?? "?"}, ${threads} threads, load ${os.loadavg()[0]!.toFixed(1)}`)
  if (torch === undefined) say("PyTorch not found: `apt-get install python3-torch` (or set PYTHON) to compare")
  else say(`PyTorch ${torch.greeting?.torch} with ${torch.greeting?.blas}`)
  if (torch?.greeting?.blas === "reference BLAS") say("for a fair comparison: `apt-get install libopenblas0-pthread`")
  say("                         op-pipe   PyTorch   ratio   faults")
  say("                        images/s  images/s          per step")
  const rows: Array<Row> = []
  for (const batch of batches) {
    for (const mode of ["train", "infer"] as const) {
      for (const bf16 of [false, true]) {
        for (const bn of [false, true]) {
          const row = await measure(ours, torch, { mode, bn, bf16, batch })
          rows.push(row)
          say(rowText(row))
        }
      }
    }
  }
  const memory = (await ours.ask({ mode: "infer", bn: false, bf16: false, batch: 1, repeats: 1 })).peakBytes
  const torchMemory =
    torch === undefined
      ? null
      : (await torch.ask({ mode: "infer", bn: false, bf16: false, batch: 1, repeats: 1 })).peakBytes
  say(
    `peak resident memory: op-pipe ${(memory / 1e9).toFixed(2)} GB${torchMemory === null ? "" : `, PyTorch ${(torchMemory / 1e9).toFixed(2)} GB`}`
  )
  const profiles = []
  for (const bf16 of [false, true]) for (const bn of [false, true]) profiles.push(await profile(ours, bn, bf16))
  if (json)
    console.log(
      JSON.stringify(
        { machine: os.cpus()[0]?.model, threads, rows, peakBytes: memory, torchPeakBytes: torchMemory, profiles },
        null,
        1
      )
    )
  else for (const p of profiles) printProfile(p)
  ours.stop()
  torch?.stop()
}

await main()
