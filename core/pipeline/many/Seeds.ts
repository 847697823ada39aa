/**
 * Seeds: steps that depend on chance, placed again for each further seed.
 *
 * With three seeds, `train@bn` (declared `perSeed: true`) has the replicas `train@bn#2` and `train@bn#3`: the same
 * stage, inputs and parameters, but for the parameter `seed`, to which 1 and 2 are added (Settings.ts). An input wired
 * to `Pipeline.furtherSeeds(port)` takes many: that output of each replica, under its number. With one seed there is none.
 *
 * Gotchas: a `perSeed` step that reads from another one reads from its replica of the same number. Any other step reads
 * from the first.
 */
import type * as Artifact from "../Artifact.ts"
import { type AnyStep, type EntriesOrigin, type ManyOrigin, type Port, withEach, withOutputs } from "../Step.ts"

type AnyPort = Port<Artifact.Any>

const replicaId = (id: string, number: number): string => `${id}#${number}`

const mapped = <A, B>(of: Readonly<Record<string, A>>, change: (value: A) => B): Readonly<Record<string, B>> =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, change(value)]))

/** The same, from other ports; those of further seeds are known then. */
const rewired = <From extends ManyOrigin | EntriesOrigin>(
  from: From,
  numbers: ReadonlyArray<number>,
  rewire: (port: AnyPort, number: number) => AnyPort
): From => {
  const port = (of: AnyPort): AnyPort => rewire(of, 1)
  switch (from.type) {
    case "ports":
      return { ...from, ports: from.ports.map(([name, of]) => [name, port(of)] as const) }
    case "seeds":
      return {
        type: "ports",
        ports: numbers.map((each) => [String(each), rewire(from.of, each)] as const)
      } as ManyOrigin as From
    default:
      return { ...from, of: port(from.of) }
  }
}

/**
 * `steps` (upstream before downstream), each `perSeed` one followed by its replicas; what reads from a replica comes
 * after it.
 */
export const place = (steps: ReadonlyArray<AnyStep>, seeds: number): ReadonlyArray<AnyStep> => {
  const numbers = Array.from({ length: seeds - 1 }, (_, index) => index + 2)
  const placed = new Map<string, AnyStep>()
  const rewire = (port: AnyPort, number: number): AnyPort => {
    if (port.owner._tag === "Source") return port
    const owner = placed.get(replicaId(port.owner.id, number)) ?? placed.get(port.owner.id)!
    return { ...port, owner }
  }
  const copy = (step: AnyStep, number: number): void => {
    const first = number === 1
    const id = first ? step.id : replicaId(step.id, number)
    const again = <A extends { readonly from: ManyOrigin | EntriesOrigin }>(many: A): A => ({
      ...many,
      from: rewired(many.from, numbers, rewire)
    })
    const each = step.each === undefined ? undefined : { ...step.each, over: mapped(step.each.over, again) }
    const many = mapped(step.many, again)
    const inputs = withEach(
      mapped(step.inputs, (port) => rewire(port, number)),
      many
    )
    const replica = first ? undefined : { of: step.id, number }
    placed.set(id, withOutputs({ ...step, id, replica, inputs, many, each }))
  }
  for (const step of steps) {
    copy(step, 1)
    if (step.perSeed) for (const number of numbers) copy(step, number)
  }
  const originals = steps.map((step) => placed.get(step.id)!)
  const others = Array.from(placed.values()).filter((step) => step.replica !== undefined)
  return [...originals, ...others]
}
