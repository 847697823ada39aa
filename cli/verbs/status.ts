/** `op-pipe status` and `op-pipe why STEP`: what is fresh, what is not, and the reasons. */
import * as path from "node:path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Digest from "../../cache/identity/Digest.ts"
import type { Provenance } from "../../cache/store/ResultStore.ts"
import { programsIn } from "../../core/pipeline/command/Shell.ts"
import type { CommandParams } from "../../core/pipeline/Stage.ts"
import { type AnyStep, branchOf, displayName } from "../../core/pipeline/Step.ts"
import * as Freshness from "../../core/plan/Freshness.ts"
import * as OutputFolder from "../../core/plan/OutputFolder.ts"
import { type Prepared, paramsOf } from "../../core/plan/Prepared.ts"
import { resolveSteps } from "../../core/plan/Settings.ts"
import { formatDuration, paint, printError, printLine } from "../Console.ts"
import { UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"
import type { Additions, Project } from "../Project.ts"
import * as Reporter from "../Reporter.ts"
import * as Session from "../Session.ts"

const tell = (text: string): void => Effect.runSync(printError(text))

/** The state of each step. Of a fresh one the reasons say how its files in `outputs/` differ from its result, if they do. */
const assess = Effect.fnUntraced(function* (prepared: Prepared, { outputsDir }: Project) {
  const told = (assessment: Freshness.Assessment): Freshness.Assessment => {
    const { step, outputs, branches } = assessment
    if (branches !== undefined) return Freshness.together(step, branches.map(told))
    if (outputs === undefined) return assessment
    const at = path.relative(process.cwd(), OutputFolder.of(outputsDir, step.id))
    const then = outputs.isOccupied
      ? "op-pipe did not write what is there, so the next run leaves it and ends with an error; move it away"
      : "the next run puts them back"
    return { ...assessment, reasons: [`files in ${at}: ${outputs.difference}; ${then}`] }
  }
  return (yield* Freshness.assess(prepared, prepared.pipeline.steps, { outputsDir })).map(told)
})

/** For machines; `sealed` is null of a step without a result. */
const summary = ({ step, state, reasons, result }: Freshness.Assessment) => ({
  id: step.id,
  state,
  reasons,
  sealed: result === undefined ? null : result.provenance.sealed === true
})

/** The same, with its branches. */
const summaryOf = (assessment: Freshness.Assessment) =>
  assessment.branches === undefined
    ? summary(assessment)
    : { ...summary(assessment), branches: assessment.branches.map(summary) }

export const status = (additions: Pick<Additions, "flags">) =>
  Command.make(
    "status",
    { ...Flags.project, ...Flags.settings(additions), json: Flags.json },
    Effect.fn("cli.status")(function* (asked) {
      const flags = yield* Session.recalled(asked, tell)
      yield* Session.withPrepared(
        flags,
        tell,
        (prepared, project) =>
          Effect.gen(function* () {
            const assessments = yield* assess(prepared, project)
            if (flags.json) return yield* printJson("status", { steps: assessments.map(summaryOf) })
            for (const assessment of assessments) {
              const line = Reporter.plannedLine(Reporter.planned(assessment))
              const unsealed = Freshness.flat([assessment]).filter(({ result }) => result?.provenance.sealed === false)
              yield* printLine(unsealed.length > 0 ? `${line} ${paint("dim", "(unsealed)")}` : line)
            }
            yield* Session.tellLeftovers(prepared, project, tell)
          }),
        { keepGoing: true }
      )
    })
  ).pipe(
    Command.withDescription("Tell of each step whether its result is fresh, stale, pending or has never been made")
  )

/** Optional outputs that the step left out. */
const absentOutputs = ({ step, result }: Freshness.Assessment): ReadonlyArray<string> =>
  result === undefined ? [] : Object.keys(step.stage.output).filter((name) => !(name in result.outputs))

/** The programs of a step that count for nothing, as far as they are known. */
const uncounted = ({ settings }: Prepared, step: AnyStep): ReadonlyArray<string> => {
  const { stage } = step
  if (stage._tag === "Stage") return stage.spawns && stage.programs.length === 0 ? ["all that it starts"] : []
  if (stage.python !== undefined) return []
  const { command, args } = paramsOf(settings, step) as unknown as Partial<CommandParams>
  const called = command === undefined ? (args ?? []).slice(0, 1) : programsIn(stage.shell, command)
  return called.filter((name) => !stage.programs.includes(name))
}

const coresOf = ({ cores }: Provenance): string =>
  cores === undefined ? "" : `, ${cores} ${cores === 1 ? "core" : "cores"}`

const describe = (assessment: Freshness.Assessment, programs: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { step, state, reasons, key, result, branches } = assessment
  if (branches !== undefined)
    return [
      `${paint("bold", displayName(step.id))} stands for ${branches.length} ${branches.length === 1 ? "branch" : "branches"}${reasons.length === 0 ? ` and is ${state}` : ""}`,
      ...reasons.map((reason) => `  ${reason}`)
    ]
  const made = result?.provenance
  return [
    `${paint("bold", displayName(step.id))} is ${state}${key === undefined ? "" : ` ${paint("dim", `(key ${Digest.short(key)})`)}`}`,
    ...reasons.map((reason) => `  ${reason}`),
    ...(made === undefined
      ? []
      : [
          `  its result was made ${made.startedAt} by run ${made.runId} on ${made.host} in ${formatDuration(made.durationMs)}`,
          `  with op-pipe ${made.opPipe}, Node.js ${made.node}${coresOf(made)}${made.commit === null ? "" : `, commit ${made.commit.slice(0, 12)}${made.dirty === true ? " with changes" : ""}`}`,
          ...(made.failedAttempts ?? []).map((reason, at) => `  attempt ${at + 1} failed: ${reason.split("\n")[0]}`),
          made.sealed === true
            ? "  sealed: besides what its key holds, the system's programs and libraries were in reach, and nothing else"
            : "  unsealed: other files, programs and the network were in reach (see `op-pipe doctor`)"
        ]),
    ...(absentOutputs(assessment).length === 0
      ? []
      : [`  outputs that it left out: ${absentOutputs(assessment).join(", ")}`]),
    ...(programs.length === 0 ? [] : [`  programs that do not count: ${programs.join(", ")}`])
  ]
}

/** That there is no branch `lacking`, or that it is not known yet which there are. */
const noBranch = (asked: string, lacking: string, all: ReadonlyArray<Freshness.Assessment>): string => {
  const of = branchOf(lacking)?.of ?? lacking
  const around = all.find(({ step }) => step.id === of)
  const expected = `why ${asked}: expected the name of a branch of ${displayName(of)}`
  return around !== undefined && around.branches === undefined
    ? `${expected}, but found none yet: it is ${around.state}, ${around.reasons.join(", ")}. Run the pipeline first`
    : `${expected}, but found none of that name. \`op-pipe status --json\` has their names`
}

export const why = (additions: Pick<Additions, "flags">) =>
  Command.make(
    "why",
    { ...Flags.project, ...Flags.settings(additions), json: Flags.json, step: Argument.String("step") },
    Effect.fn("cli.why")(function* (asked) {
      const flags = yield* Session.recalled(asked, tell)
      yield* Session.withPrepared(
        flags,
        tell,
        (prepared, project) =>
          Effect.gen(function* () {
            const wanted = new Set(yield* resolveSteps(prepared.pipeline, "why", [flags.step]))
            const all = (yield* assess(prepared, project)).flatMap((each) => [each, ...(each.branches ?? [])])
            const assessments = all.filter((each) => wanted.has(each.step.id))
            const lacking = Array.from(wanted).find((id) => all.every(({ step }) => step.id !== id))
            if (lacking !== undefined) return yield* new UsageError({ message: noBranch(flags.step, lacking, all) })
            if (flags.json) {
              const steps = assessments.map((each) => ({
                ...summary(each),
                key: each.key ?? null,
                absentOutputs: absentOutputs(each),
                uncountedPrograms: uncounted(prepared, each.step)
              }))
              return yield* printJson("why", { steps })
            }
            const lines = assessments.flatMap((each) => describe(each, uncounted(prepared, each.step)))
            for (const line of lines) yield* printLine(line)
          }),
        { keepGoing: true }
      )
    })
  ).pipe(Command.withDescription("Tell why a step would run, or what its result was made from"))
