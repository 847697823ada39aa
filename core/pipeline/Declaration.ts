/** Declaration: a pipeline as it was declared, checked before anything is loaded or run. */
import type * as Artifact from "./Artifact.ts"
import { DeclarationError } from "./Names.ts"
import type * as Stage from "./Stage.ts"
import type { AnySource, AnyStep } from "./Step.ts"

/** The parts of a pipeline that can be declared wrongly. */
interface Declared {
  readonly name: string
  readonly steps: ReadonlyArray<AnyStep>
  readonly sources: ReadonlyArray<AnySource>
  readonly profiles: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly declaredSeeds: number | Readonly<Record<string, number>>
  readonly defaultProfile: string | undefined
  readonly flags: Readonly<Record<string, { readonly sets: string }>>
  readonly metrics: ReadonlyArray<{ readonly tag: string }>
  readonly plots: ReadonlyArray<{ readonly tag: string }>
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
  const { defaultProfile, flags, profiles } = pipeline
  if (defaultProfile === undefined && Object.keys(profiles).length + Object.keys(flags).length === 0) return
  const targets = targetsOf(pipeline)
  for (const [profile, overrides] of Object.entries(profiles)) {
    const stray = Object.keys(overrides).find((name) => !targets.has(name))
    if (stray !== undefined) fail(`profile ${profile}: expected one of ${quoted(targets)}, but found "${stray}"`)
  }
  if (defaultProfile !== undefined && profiles[defaultProfile] === undefined)
    fail(`defaultProfile: expected one of ${quoted(Object.keys(profiles))}, but found "${defaultProfile}"`)
  for (const [flag, { sets }] of Object.entries(flags)) {
    const isTarget = Array.from(targets).some((name) => sets.startsWith(`${name}.`) && sets.length > name.length + 1)
    if (!isTarget) fail(`flag ${flag}: expected a parameter of one of ${quoted(targets)}, but found "${sets}"`)
  }
}

const checkSeeds = ({ declaredSeeds, profiles }: Declared, fail: (text: string) => never): void => {
  const given = typeof declaredSeeds === "number" ? [["", declaredSeeds] as const] : Object.entries(declaredSeeds)
  for (const [profile, seeds] of given) {
    const place = profile === "" ? "seeds" : `seeds of the profile ${profile}`
    if (profile !== "" && !Object.hasOwn(profiles, profile))
      fail(`seeds: expected one of ${quoted(Object.keys(profiles))}, but found "${profile}"`)
    if (!Number.isInteger(seeds) || seeds < 1)
      fail(`expected ${place} to be a whole number from 1 on, but found ${seeds}`)
  }
}

/** Where an output is to lie, in its normal form; undefined of a path that leads out of the step's folder. */
const placeOf = (path: string): string | undefined => {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".")
  return path.startsWith("/") || parts.includes("..") ? undefined : parts.join("/")
}

const isIn = (inner: string, outer: string): boolean => outer === "" || inner === outer || inner.startsWith(`${outer}/`)

/** Outputs must lie apart: of one within another, a step downstream would get the one without the other. */
const checkOutputs = (steps: ReadonlyArray<AnyStep>, fail: (text: string) => never): void => {
  for (const stage of new Set(steps.map((step) => step.stage))) {
    const outputs = Object.entries(stage.output as Readonly<Record<string, { readonly path: string }>>)
    // most stages: one output, one name
    if (outputs.length === 1 && /^\w[\w.-]*$/u.test(outputs[0]![1].path)) continue
    const places = outputs.map(([name, { path }]) => {
      const place = placeOf(path)
      if (place === undefined)
        return fail(
          `stage ${stage.name}: expected output ${name} to lie within the step's folder, but found the path "${path}"`
        )
      return { name, place }
    })
    for (const [at, a] of places.entries()) {
      const b = places.slice(at + 1).find((each) => isIn(each.place, a.place) || isIn(a.place, each.place))
      if (b === undefined) continue
      fail(
        `stage ${stage.name}: expected outputs that lie apart, but ${a.name} ("${a.place}") and ${b.name} ("${b.place}") overlap. Give one another path`
      )
    }
  }
}

/** A document that no step makes would be missing from every table, and nobody would be told. */
const checkShown = (pipeline: Declared, fail: (text: string) => never): void => {
  if (pipeline.metrics.length + pipeline.plots.length === 0) return
  const outputs = pipeline.steps.flatMap(({ stage }) => Object.values(stage.output as Stage.Artifacts))
  const tags = new Set(outputs.flatMap(({ kind, tag }) => (kind === "json" ? [tag] : [])))
  for (const list of ["metrics", "plots"] as const) {
    const stray = pipeline[list].find(({ tag }) => !tags.has(tag))
    if (stray !== undefined)
      fail(`${list}: expected documents that a step makes (${quoted(tags)}), but found "${stray.tag}"`)
  }
}

/** Refuses a pipeline that cannot work as it is declared. */
export const checkDeclared = (pipeline: Declared): void => {
  const fail = (text: string): never => {
    throw new DeclarationError(`${pipeline.name}: ${text}`)
  }
  checkNamesakes(pipeline.steps, fail)
  checkOutputs(pipeline.steps, fail)
  checkDuplicates(pipeline, fail)
  checkTargets(pipeline, fail)
  checkSeeds(pipeline, fail)
  checkShown(pipeline, fail)
}

type Declares = Pick<Stage.Any, "inputs" | "output" | "toolchain">

/** What a stage reads, writes and computes with, a line each. */
export const linesOf = ({ inputs, output, toolchain }: Declares): ReadonlyArray<string> => {
  const lineOf = (of: string, name: string, artifact: Artifact.Input): string =>
    artifact.kind === "many"
      ? lineOf(`many of ${of}`, name, artifact.of)
      : `${artifact.optional ? "optional " : ""}${of} ${name} (${artifact.kind} ${artifact.tag}, ${artifact.path})`
  return [
    ...Object.entries(inputs as Stage.Inputs).map(([name, artifact]) => lineOf("input", name, artifact)),
    ...Object.entries(output as Stage.Artifacts).map(([name, artifact]) => lineOf("output", name, artifact)),
    ...Object.entries(toolchain as Stage.Toolchains).map(([name, of]) => `toolchain ${name} (${of.name})`)
  ].sort()
}
