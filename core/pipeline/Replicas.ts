/**
 * Replicas: steps that depend on chance, placed again for each further seed.
 *
 * With three seeds, `train@bn` (declared `perSeed: true`) has the replicas `train@bn#2` and `train@bn#3`: the same
 * stage, inputs and parameters, but for the parameter `seed`, to which 1 and 2 are added (Settings.ts). An input wired
 * to `Pipeline.replicas(port)` becomes one input for each replica, `name#2`, `name#3`; with one seed there is none, and
 * no key mentions it.
 *
 * Gotchas: a `perSeed` step that reads from another one reads from its replica of the same number. Any other step reads
 * from the first.
 */
import type * as Artifact from "./Artifact.ts"
import * as ArtifactIO from "./ArtifactIO.ts"
import { type AnyStep, type Port, withOutputs } from "./Step.ts"

const replicaId = (id: string, number: number): string => `${id}#${number}`

/**
 * `steps` (upstream before downstream), each `perSeed` one followed by its replicas; what reads from a replica comes
 * after it.
 */
export const place = (steps: ReadonlyArray<AnyStep>, seeds: number): ReadonlyArray<AnyStep> => {
  if (seeds === 1) return steps
  const numbers = Array.from({ length: seeds - 1 }, (_, index) => index + 2)
  const placed = new Map<string, AnyStep>()
  const rewire = (port: Port<Artifact.Any>, number: number): Port<Artifact.Any> => {
    if (port.owner._tag === "Source") return port
    const owner = placed.get(replicaId(port.owner.id, number)) ?? placed.get(port.owner.id)!
    return owner.out[port.output]!
  }
  const copy = (step: AnyStep, number: number): void => {
    const own = Object.entries(step.inputs).map(([name, port]) => [name, rewire(port, number)] as const)
    // by number, then by name: an interrupted run has whole seeds
    const ofReplicas = numbers.flatMap((each) =>
      Object.entries(step.replicaInputs).map(
        ([name, port]) => [ArtifactIO.replicaInput(name, each), rewire(port, each)] as const
      )
    )
    const first = number === 1
    const id = first ? step.id : replicaId(step.id, number)
    const replica = first ? undefined : { of: step.id, number }
    const inputs = Object.fromEntries([...own, ...ofReplicas])
    const replicaInputs = Object.fromEntries(
      Object.entries(step.replicaInputs).map(([name, port]) => [name, rewire(port, 1)])
    )
    placed.set(id, withOutputs({ ...step, id, replica, inputs, replicaInputs }))
  }
  for (const step of steps) {
    copy(step, 1)
    if (step.perSeed) for (const number of numbers) copy(step, number)
  }
  const originals = steps.map((step) => placed.get(step.id)!)
  const others = Array.from(placed.values()).filter((step) => step.replica !== undefined)
  return [...originals, ...others]
}
