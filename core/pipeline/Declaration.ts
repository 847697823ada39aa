/** Declaration: a pipeline as it was declared, checked before anything is loaded or run. */
import { DeclarationError } from "./Names.ts"
import type { AnySource, AnyStep } from "./Step.ts"

/** The parts of a pipeline that can be declared wrongly. */
interface Declared {
  readonly name: string
  readonly steps: ReadonlyArray<AnyStep>
  readonly sources: ReadonlyArray<AnySource>
  readonly profiles: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly defaultProfile: string | undefined
  readonly flags: Readonly<Record<string, { readonly sets: string }>>
}

const quoted = (names: Iterable<string>): string => Array.from(names).join(", ") || "none"

/** Of two stages of one name in one module, a process would not know which to load, and their keys would be one. */
const checkNamesakes = (steps: ReadonlyArray<AnyStep>, fail: (text: string) => never): void => {
  const stages = new Map<string, AnyStep["stage"]>()
  for (const { stage } of steps) {
    if (stage._tag !== "Stage") continue
    const at = `${stage.source}\0${stage.name}`
    if ((stages.get(at) ?? stage) !== stage) {
      fail(
        `expected stages of one module to have different names, but two of ${stage.source} are called "${stage.name}". Place one stage twice, or make what differs a parameter`
      )
    }
    stages.set(at, stage)
  }
}

const checkDuplicates = ({ steps, sources }: Declared, fail: (text: string) => never): void => {
  const seen = new Set<string>()
  for (const { id } of steps) {
    if (seen.has(id)) fail(`expected step ids to differ, but two steps are called ${id}. Give one a variant`)
    seen.add(id)
  }
  for (const { name } of sources) {
    if (seen.has(name)) fail(`expected sources to have names of their own, but found two things called ${name}`)
    seen.add(name)
  }
}

/** All that a profile or a flag can set parameters of. */
const targetsOf = ({ steps, sources }: Declared): ReadonlySet<string> =>
  new Set([
    ...steps.flatMap((step) => [step.stage.name, step.id]),
    ...steps
      .flatMap(({ stage }) => Object.values(stage.toolchain as Record<string, { readonly name: string }>))
      .map((each) => each.name),
    ...sources.map((source) => source.name)
  ])

const checkTargets = (pipeline: Declared, fail: (text: string) => never): void => {
  const targets = targetsOf(pipeline)
  for (const [profile, overrides] of Object.entries(pipeline.profiles)) {
    const stray = Object.keys(overrides).find((name) => !targets.has(name))
    if (stray !== undefined) fail(`profile ${profile}: expected one of ${quoted(targets)}, but found "${stray}"`)
  }
  const { defaultProfile, profiles } = pipeline
  if (defaultProfile !== undefined && profiles[defaultProfile] === undefined)
    fail(`defaultProfile: expected one of ${quoted(Object.keys(profiles))}, but found "${defaultProfile}"`)
  for (const [flag, { sets }] of Object.entries(pipeline.flags)) {
    const isTarget = Array.from(targets).some((name) => sets.startsWith(`${name}.`) && sets.length > name.length + 1)
    if (!isTarget) fail(`flag ${flag}: expected a parameter of one of ${quoted(targets)}, but found "${sets}"`)
  }
}

/** Refuses a pipeline that cannot work as it is declared. */
export const checkDeclared = (pipeline: Declared): void => {
  const fail = (text: string): never => {
    throw new DeclarationError(`${pipeline.name}: ${text}`)
  }
  checkNamesakes(pipeline.steps, fail)
  checkDuplicates(pipeline, fail)
  checkTargets(pipeline, fail)
}
