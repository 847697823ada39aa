/**
 * Branches: the steps that stand in place of one that `Pipeline.each` placed, as soon as it is known for what.
 *
 * Until then such a step is *pending*, and so is what reads from it. Afterwards every branch is a step like any other, and a
 * step that takes many reads from each of them: everything else of the plan and of the run knows plain steps alone.
 */
import * as Effect from "effect/Effect"
import type { StepResult } from "../../../cache/store/ResultStore.ts"
import type * as Artifact from "../../pipeline/Artifact.ts"
import * as Order from "../../pipeline/many/Order.ts"
import {
  type AnyStep,
  branchId,
  branchOf,
  displayName,
  type Entries as EntriesPort,
  type ManyPort,
  type NamedPort,
  type Port,
  withEach,
  withOutputs
} from "../../pipeline/Step.ts"
import { missingOf, type Prepared } from "../Prepared.ts"
import * as Sources from "../Sources.ts"
import * as Entries from "./Entries.ts"

type AnyPort = Port<Artifact.Any>

/** What it depends on for what a step stands. */
export interface Known {
  /** Of the steps before it, by id. */
  readonly results: ReadonlyMap<string, StepResult>
  /** The branches of those before it, by id. */
  readonly branches: ReadonlyMap<string, ReadonlyArray<AnyStep>>
}

/** The port of each of many, in the order of their names; undefined while they are not known. */
const portsOf = Effect.fnUntraced(function* (
  prepared: Prepared,
  many: ManyPort<Artifact.Any> | EntriesPort<Artifact.Any>,
  known: Known
) {
  const { from } = many
  if (from.type === "ports") return from.ports
  // with one seed there is no further one
  if (from.type === "seeds") return []
  if (from.type === "branches")
    return known.branches
      .get((from.of.owner as AnyStep).id)
      ?.map((step): NamedPort => [step.branch!.name, step.out[from.of.output]!])
  const found = yield* Entries.of(prepared, many as EntriesPort<Artifact.Any>, known.results)
  if (found === undefined) return undefined
  yield* Entries.checkNames(
    Sources.portName(from.of),
    found.map(([name]) => name)
  )
  return found
    .map(([name, entry, part]): NamedPort => {
      const port: AnyPort = { ...from.of, artifact: many.artifact, entry }
      prepared.parts.set(port, part)
      return [name, port]
    })
    .sort(([a], [b]) => Order.compare(a, b))
})

type Named = readonly [name: string, inputs: Readonly<Record<string, AnyPort>>]

/** Of several inputs, those of one name together. */
const zipped = Effect.fnUntraced(function* (
  step: AnyStep,
  over: ReadonlyArray<readonly [string, ReadonlyArray<NamedPort>]>
) {
  const byInput = over.map(([input, ports]) => [input, new Map(ports)] as const)
  const names = Array.from(new Set(over.flatMap(([, ports]) => ports.map(([name]) => name)))).sort(Order.compare)
  for (const [input, ports] of byInput) {
    const lacking = names.find((name) => !ports.has(name))
    if (lacking === undefined) continue
    const expected = `${input} to have the names of the others`
    return yield* new Entries.EntriesInvalid({
      of: displayName(step.id),
      expected,
      actual: `none called ${JSON.stringify(lacking)}`
    })
  }
  return names.map(
    (name): Named => [name, Object.fromEntries(byInput.map(([input, ports]) => [input, ports.get(name)!]))]
  )
})

/** Of several inputs, each of the one with each of the other. */
const multiplied = (over: ReadonlyArray<readonly [string, ReadonlyArray<NamedPort>]>): ReadonlyArray<Named> =>
  over.reduce<ReadonlyArray<Named>>(
    (before, [input, ports]) =>
      before.flatMap(([names, inputs]) =>
        ports.map(([name, port]): Named => [names === "" ? name : `${names},${name}`, { ...inputs, [input]: port }])
      ),
    [["", {}]]
  )

/** `step` with what it takes of many known; undefined while that is not. */
export const settled = Effect.fnUntraced(function* (prepared: Prepared, step: AnyStep, known: Known) {
  const waiting = Object.entries(step.many).filter(([, { from }]) => from.type !== "ports")
  if (waiting.length === 0) return step
  if (missingOf(prepared, step) !== undefined) return undefined
  const many: Record<string, ManyPort<Artifact.Any>> = { ...step.many }
  for (const [input, port] of waiting) {
    const ports = yield* portsOf(prepared, port, known)
    if (ports === undefined) return undefined
    many[input] = { ...port, from: { type: "ports", ports } }
  }
  return withOutputs({ ...step, many, inputs: withEach(step.inputs, many) })
})

/** The branches of a step that `each` placed, in the order of their names; undefined while it is not known for what. */
export const of = Effect.fn("Branches.of")(function* (prepared: Prepared, step: AnyStep, known: Known) {
  const { each } = step
  const isKnown = each !== undefined && missingOf(prepared, step) === undefined
  const template = !isKnown ? undefined : yield* settled(prepared, step, known)
  if (each === undefined || template === undefined) return undefined
  const over: Array<readonly [string, ReadonlyArray<NamedPort>]> = []
  for (const [input, many] of Object.entries(each.over)) {
    const ports = yield* portsOf(prepared, many, known)
    if (ports === undefined) return undefined
    over.push([input, ports])
  }
  const wired = each.how === "product" ? multiplied(over) : yield* zipped(step, over)
  yield* Entries.checkNames(
    displayName(step.id),
    wired.map(([name]) => name)
  )
  return wired.map(([name, inputs]) => {
    const params = each.nameTo === undefined ? {} : { [each.nameTo]: name }
    return withOutputs({
      ...template,
      id: branchId(step.id, name),
      each: undefined,
      branch: { of: step.id, name, params },
      inputs: { ...template.inputs, ...inputs }
    })
  })
})

/** The branches of a step that are asked for by name, and the ids of steps that are to be executed. */
interface Asked {
  readonly names: ReadonlySet<string> | undefined
  readonly forced: ReadonlySet<string>
}

/** Of `all` branches of a step those that are asked for; all of them if none is named. Fails for a name that none has. */
export const named = Effect.fnUntraced(function* (
  step: AnyStep,
  { names, forced }: Asked,
  all: ReadonlyArray<AnyStep>
) {
  const forcedNames = Array.from(forced).flatMap((id) => {
    const branch = branchOf(id)
    return branch?.of === step.id ? [branch.name] : []
  })
  const there = new Set(all.map(({ branch }) => branch?.name))
  for (const name of [...(names ?? []), ...forcedNames]) {
    if (there.has(name)) continue
    const actual = `${JSON.stringify(name)}, which is none of ${all.length}`
    return yield* new Entries.EntriesInvalid({ of: displayName(step.id), expected: "the name of a branch", actual })
  }
  return names === undefined ? all : all.filter(({ branch }) => names.has(branch!.name))
})

/** Why a step has no branch, where a folder or a list has no entry for it. */
export const nothingOf = ({ each }: AnyStep): string | undefined => {
  for (const { from } of Object.values(each?.over ?? {})) {
    if (from.type === "files")
      return `no entry of ${Sources.portName(from.of)} matches ${from.match}, so there is nothing to do`
    if (from.type === "items") return `the list ${Sources.portName(from.of)} is empty, so there is nothing to do`
  }
}

/** For what a step waits that has no branches yet. */
export const waitsFor = ({ each }: AnyStep): string => {
  const names = Object.values(each?.over ?? {}).map(({ from }) =>
    from.type === "ports"
      ? ""
      : from.type === "branches"
        ? displayName((from.of.owner as AnyStep).id)
        : Sources.portName(from.of)
  )
  return `one step for each entry of ${names.filter((name) => name !== "").join(" and ")}`
}
