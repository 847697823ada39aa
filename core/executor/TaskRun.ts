/**
 * TaskRun: the work of a stage's module done, in the process that it was given to. The worker calls it; so does any
 * executor that has the module at hand.
 */
import { randomUUID } from "node:crypto"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Commit from "../../cache/store/Commit.ts"
import { Disk } from "../../cache/store/Disk.ts"
import * as ArtifactIO from "../pipeline/ArtifactIO.ts"
import { inWords } from "../pipeline/checks/Options.ts"
import { linesOf } from "../pipeline/Declaration.ts"
import * as Stage from "../pipeline/Stage.ts"
import type * as Toolchain from "../pipeline/Toolchain.ts"
import type { ModuleWork, StepTask } from "./StepTask.ts"

type AnyStage = Stage.Stage<string, unknown, Stage.Inputs, Stage.Artifacts, Stage.Toolchains>

/** How the module with a `file:` URL is loaded. */
export type Load = (source: string) => Promise<Readonly<Record<string, unknown>>>

const loadStage = Effect.fnUntraced(function* (work: ModuleWork, load: Load) {
  const loaded = yield* Effect.promise(() => load(work.source))
  const stage = Object.values(loaded).find((value) => Stage.isStage(value) && value.name === work.stage)
  if (stage === undefined) {
    return yield* new Stage.StageFailure({
      reason: `the module ${work.source} does not export the stage`,
      expected: `an export made by Stage.make({ name: "${work.stage}" })`,
      actual: `the exports ${Object.keys(loaded).join(", ") || "none"}`
    })
  }
  return stage as AnyStage
})

/**
 * Fails if the stage declares something else in its process than where the pipeline wired it: its module reads what differs
 * between the two when it is loaded, such as a variable.
 */
const checkDeclared = (stage: AnyStage, { declared }: ModuleWork) => {
  const here = linesOf(stage as unknown as Stage.Module)
  const besides = (some: ReadonlyArray<string>, others: ReadonlyArray<string>): string =>
    some.filter((line) => !others.includes(line)).join(", ") || "nothing"
  if (here.join() === declared.join()) return Effect.void
  return Effect.fail(
    new Stage.StageFailure({
      reason: `The stage ${stage.name} declares one thing to the pipeline and another to the step's process`,
      expected: besides(declared, here),
      actual: besides(here, declared),
      toDo: "A module must declare the same wherever it is loaded: the process of a step sees no variables of yours. Make it a parameter, or declare it in pipeline.ts alone",
      badInput: true
    })
  )
}

/** What `run` gives, which is no Effect of a function that is `async` or does its work at once. */
const workOf = (stage: AnyStage, context: Parameters<AnyStage["run"]>[0]) => {
  const work: unknown = stage.run(context)
  if (Effect.isEffect(work)) return Effect.succeed(work as ReturnType<AnyStage["run"]>)
  const isPromise = work instanceof Promise
  // its own failure would end the process before this is told
  if (isPromise) work.catch(() => undefined)
  return new Stage.StageFailure({
    reason: `The function run of ${stage.name} does not give its work back`,
    expected: "an Effect",
    actual: isPromise ? "a Promise" : inWords(work),
    toDo: "Return Effect.promise(async () => { ... }) or Effect.sync(() => { ... }), or write to an output: output.name.write(...)"
  })
}

/** The checkpoint in `file`: what the stage saved, and behind it its checksum. */
export const checkpointAt = Effect.fnUntraced(function* (file: string) {
  const disk = yield* Disk
  // of this writer's own: on another machine there may be one that was given up for lost, and goes on
  const temporary = `${file}.${randomUUID()}.new`
  const checkpoint: Stage.Checkpoint = {
    // A checkpoint saves time and is nothing else: one that cannot be read, or is not as it was saved, is none.
    load: Effect.gen(function* () {
      const bytes = yield* disk.read(file)
      const end = bytes.length - Commit.checksumDigits
      if (end < 0) return undefined
      const saved = bytes.subarray(0, end)
      const written = Buffer.from(bytes.subarray(end)).toString("latin1")
      return (yield* Commit.checksumOf([saved])) === written ? saved : undefined
    }).pipe(Effect.catch(() => Effect.succeed(undefined))),
    save: (...pieces) =>
      disk.makeFolder(path.dirname(file)).pipe(
        Effect.andThen(Commit.checksumOf(pieces)),
        Effect.flatMap((checksum) => disk.writePieces(temporary, [...pieces, Buffer.from(checksum, "latin1")])),
        Effect.andThen(disk.rename(temporary, file)),
        Effect.mapError(
          (error) => new Stage.StageFailure({ reason: `The checkpoint cannot be saved: ${error.message}` })
        )
      )
  }
  return checkpoint
})

/** Does the task; what it gives lies below `task.outputDir` afterwards. */
export const run = Effect.fnUntraced(function* (
  task: StepTask,
  work: ModuleWork,
  load: Load,
  said: Pick<Stage.Context<unknown, Stage.Inputs, Stage.Artifacts, Stage.Toolchains>, "progress" | "notice">
) {
  const stage: AnyStage = yield* loadStage(work, load)
  yield* checkDeclared(stage, work)
  const params = yield* Effect.orDie(Schema.decodeUnknownEffect(stage.params)(work.params))
  const readers = Object.entries(stage.inputs).map(
    ([name, input]) => [name, ArtifactIO.inputReader(input, name, task)] as const
  )
  const writers = yield* Effect.forEach(Object.entries(stage.output), ([name, artifact]) =>
    Effect.map(Effect.orDie(ArtifactIO.writer(artifact, task.outputDir)), (writer) => [name, writer] as const)
  )
  const identities = yield* Effect.forEach(
    Object.entries(stage.toolchain),
    ([name, toolchain]: [string, Toolchain.Any]) => {
      const schema = toolchain.identity as Schema.Codec<unknown, unknown>
      const decoded = Effect.orDie(Schema.decodeUnknownEffect(schema)(work.toolchain[toolchain.name]))
      return Effect.map(decoded, (identity) => [name, identity] as const)
    }
  )
  const context = {
    params,
    inputs: Object.fromEntries(readers),
    output: Object.fromEntries(writers),
    toolchain: Object.fromEntries(identities),
    toolchainDir: (name) => path.join(work.toolchainsDir, name),
    workdir: task.workdir,
    cores: task.cores,
    progress: said.progress,
    notice: said.notice,
    checkpoint: yield* checkpointAt(task.checkpoint)
  } as Parameters<AnyStage["run"]>[0]
  yield* Effect.scoped(yield* workOf(stage, context))
})
