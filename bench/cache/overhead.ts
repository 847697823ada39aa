/**
 * `npm run bench:cache:overhead [-- --steps 500]`: what the framework itself takes for a step that is executed, and for one that is not.
 *
 * A chain-like graph of steps whose work is one small file, written by an executor in this very process: all the rest is the
 * framework (keys, lock, private folders, commit, laying out). Beside it, what the disk takes for the commits alone: for each step two files
 * written, fsynced and renamed, with their folders. And a step in a process of its own: the same work as a stage's module.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CodeIdentity } from "../../cache/code/CodeIdentity.ts"
import { Disk } from "../../cache/store/Disk.ts"
import { Executor } from "../../core/executor/Executor.ts"
import * as ProcessExecutor from "../../core/executor/ProcessExecutor.ts"
import { Artifact, Pipeline, Stage } from "../../core/index.ts"
import * as Plan from "../../core/plan/Plan.ts"
import * as Settings from "../../core/plan/Settings.ts"
import { RunEvents } from "../../core/run/RunEvents.ts"
import * as Runner from "../../core/run/Runner.ts"
import letters from "../../test/fixtures/letters/pipeline.ts"
import { generate } from "./graph.ts"

const argument = process.argv.indexOf("--steps")
const count = argument < 0 ? 500 : Number(process.argv[argument + 1])

const Text = Artifact.file({ tag: "Text/v1", path: "out.txt" })

const graphOf = (root: string): Pipeline.Pipeline => {
  const steps = new Map<string, Pipeline.AnyStep>()
  for (const { id, source, parents } of generate(count)) {
    const names = source === undefined ? parents : ["text"]
    const ports = names.map((name) => {
      if (source === undefined) return [name, steps.get(name)!.out["out"]!] as const
      fs.writeFileSync(path.join(root, source), `content of ${id}\n`)
      return [name, Pipeline.source({ name: source, artifact: Text, path: path.join(root, source) }).port] as const
    })
    const inputs = Object.fromEntries(names.map((name) => [name, Text]))
    const stage = Stage.command({ name: id, command: "true", inputs, output: { out: Text } })
    steps.set(id, Pipeline.step(stage, { inputs: Object.fromEntries(ports) as never }) as never)
  }
  return Pipeline.make({ name: "overhead", steps: Array.from(steps.values()) as never })
}

/** Writes what the step's output is, and nothing else. */
const inProcess = Layer.succeed(Executor, {
  execute: (task) =>
    Effect.sync(() => {
      fs.writeFileSync(path.join(task.outputDir, "out.txt"), task.step)
      return { loaded: {} }
    })
})

const runIn = (root: string, pipeline: Pipeline.Pipeline, data: string, executor: Layer.Layer<Executor>) => {
  const program = Effect.gen(function* () {
    const settings = yield* Settings.resolve(pipeline, {})
    const first = pipeline.sources[0]!
    const sourcePaths = first.path === undefined ? { [first.name]: data } : {}
    const notify = (): void => undefined
    const cores = os.availableParallelism()
    const prepared = yield* Plan.prepare({ pipeline, settings, sourcePaths, root, dataDir: root, cores, notify })
    const startedMs = performance.now()
    const { finished } = yield* Runner.run(prepared, {
      steps: pipeline.steps,
      forced: new Set(),
      keepGoing: false,
      verify: false,
      outputsDir: path.join(root, "outputs")
    })
    return { ms: performance.now() - startedMs, executed: finished.executed.length, cached: finished.cached.length }
  })
  const store = CodeIdentity.layerIn(path.join(root, "store")).pipe(Layer.provideMerge(Disk.layer))
  return Effect.runPromise(
    Effect.provide(
      program,
      Layer.mergeAll(
        store,
        executor,
        RunEvents.to(() => undefined)
      )
    ) as Effect.Effect<Measured>
  )
}

interface Measured {
  readonly ms: number
  readonly executed: number
  readonly cached: number
}

/** Two files of a commit, as the store writes them, and nothing else. */
const commitsAlone = (root: string): number => {
  const startedMs = performance.now()
  const sync = (file: string): void => {
    const descriptor = fs.openSync(file, "r")
    fs.fsyncSync(descriptor)
    fs.closeSync(descriptor)
  }
  for (let step = 0; step < count; step++) {
    for (const kind of ["blob", "result"]) {
      const folder = path.join(root, kind, String(step % 256))
      const file = path.join(root, `${kind}.tmp`)
      fs.mkdirSync(folder, { recursive: true })
      fs.writeFileSync(file, String(step))
      sync(file)
      fs.renameSync(file, path.join(folder, String(step)))
      sync(folder)
    }
  }
  return (performance.now() - startedMs) / count
}

const line = (what: string, ms: number): void => console.log(`${what.padEnd(52)} ${ms.toFixed(2)} ms a step`)
const base = fs.mkdtempSync(path.join(os.tmpdir(), "bench-overhead-"))
try {
  console.log(
    `${os.cpus()[0]?.model}, Node ${process.versions.node}, load ${os.loadavg()[0]?.toFixed(1)}, ${count} steps`
  )
  const pipeline = graphOf(base)
  const first = await runIn(base, pipeline, base, inProcess)
  line(`executed in this process (${first.executed})`, first.ms / first.executed)
  line("of that, the disk for the commits alone", commitsAlone(base))
  const again = await runIn(base, pipeline, base, inProcess)
  line(`cached, right after (${again.cached})`, again.ms / again.cached)
  // Until now the files were too young for what is known of them to be believed.
  await new Promise((resolve) => setTimeout(resolve, 100))
  await runIn(base, pipeline, base, inProcess)
  const later = await runIn(base, pipeline, base, inProcess)
  line(`cached, later (${later.cached})`, later.ms / later.cached)
  const texts = path.join(base, "texts")
  fs.mkdirSync(texts)
  fs.writeFileSync(path.join(texts, "a.txt"), "hello\n")
  const rounds: Array<number> = []
  for (let round = 0; round < 6; round++) {
    fs.writeFileSync(path.join(texts, "a.txt"), `hello ${round}\n`)
    const made = await runIn(path.join(base, "letters"), letters, texts, ProcessExecutor.layer)
    // The first round makes the bundle of the stage.
    if (round > 0) rounds.push(made.ms / made.executed)
  }
  rounds.sort((a, b) => a - b)
  line("executed in a process of its own, two at a time", rounds[Math.floor(rounds.length / 2)]!)
} finally {
  fs.rmSync(base, { recursive: true, force: true })
}
