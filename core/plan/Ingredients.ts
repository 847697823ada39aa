/** Ingredients: all that a step's result is made from, for its key and for its record. */
import * as CacheKey from "../../cache/identity/CacheKey.ts"
import * as CanonicalJson from "../../cache/identity/CanonicalJson.ts"
import * as Digest from "../../cache/identity/Digest.ts"
import type { StepResult } from "../../cache/store/ResultStore.ts"
import type * as Artifact from "../pipeline/Artifact.ts"
import type * as Stage from "../pipeline/Stage.ts"
import { type AnyStep, inputOf } from "../pipeline/Step.ts"
import type * as Toolchain from "../pipeline/Toolchain.ts"
import {
  declaredId,
  fingerprintOf,
  outputOf,
  type Prepared,
  type PreparedToolchain,
  paramsOf,
  sourceOf
} from "./Prepared.ts"

/** The toolchains that `step` computes with. */
export const toolchainsOfStep = (prepared: Prepared, step: AnyStep): ReadonlyArray<PreparedToolchain> =>
  Object.values(step.stage.toolchain as Record<string, Toolchain.Any>).flatMap((each) => {
    const found = prepared.toolchains.get(each.name)
    return found === undefined ? [] : [found]
  })

type CommandStage = Extract<Stage.Any, { readonly _tag: "Command" }>

const declaredDigests = new WeakMap<Artifact.Any, Digest.Digest>()

/** The digest of an artifact's declaration; thousands of commands may share one. */
const declaredDigest = (artifact: Artifact.Any): Digest.Digest => {
  const known = declaredDigests.get(artifact)
  if (known !== undefined) return known
  const { kind, path, tag } = artifact
  const optional = artifact.optional ? { optional: true } : {}
  // without these fields it is handed on
  const volatile = artifact.kind === "json" && artifact.volatile.length > 0 ? { volatile: artifact.volatile } : {}
  const digest = Digest.ofJson("CommandOutput/v1", { kind, path, tag, ...volatile, ...optional })
  declaredDigests.set(artifact, digest)
  return digest
}

/** How a command is run. Raise it when the same command with the same inputs would give another result. */
const commandFormat = "v3"

const howOf = ({ python, shell }: CommandStage): string =>
  python === undefined ? shell.join(" ") || "without a shell" : "python"

/**
 * The declaration of a command stage, in the place of code; and by what names the command finds its inputs. In loops, since it is made
 * for each of thousands of commands whenever a run looks at them.
 */
const commandCode = (
  stage: CommandStage,
  inputs: AnyStep["inputs"],
  script: CacheKey.Code = { modules: {}, packages: {} }
): CacheKey.Code => {
  const command: Record<string, string> = { [howOf(stage)]: commandFormat }
  if (stage.network) command["network"] = "allowed"
  const output: Record<string, string> = {}
  const outputs = stage.output as Stage.Artifacts
  for (const name in outputs) output[name] = declaredDigest(outputs[name]!)
  const input: Record<string, string> = {}
  let hasInput = false
  for (const name in inputs) {
    if (inputOf(name).entry !== undefined) continue
    input[name] = inputs[name]!.artifact.path
    hasInput = true
  }
  const declared = stage.inputs as Stage.Inputs
  for (const name in declared) {
    const artifact = declared[name]!
    if (artifact.kind !== "many") continue
    input[name] = `*/${artifact.of.path}`
    hasInput = true
  }
  const modules = hasInput ? { ...script.modules, command, output, input } : { ...script.modules, command, output }
  return { modules, packages: script.packages }
}

const codeOf = (prepared: Prepared, { stage, inputs }: AnyStep): CacheKey.Code =>
  stage._tag === "Command"
    ? commandCode(stage, inputs, fingerprintOf(prepared, stage)?.code)
    : (fingerprintOf(prepared, stage)?.code ?? { modules: {}, packages: {} })

/** The same for a key, which needs only its text. */
const writtenCodeOf = (prepared: Prepared, step: AnyStep): CacheKey.KeyParts["code"] => {
  const fingerprint = step.stage._tag === "Command" ? undefined : prepared.code.get(step.stage.source)
  return fingerprint === undefined ? codeOf(prepared, step) : new CanonicalJson.Written(fingerprint.text)
}

/** The same value with sorted keys: their order is not part of a key, so a stage must not see it. */
const inOrder = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  const keys = Object.keys(value).sort()
  return Object.fromEntries(keys.map((key) => [key, inOrder((value as Readonly<Record<string, unknown>>)[key])]))
}

/** The parts of `step`'s key except its inputs. */
export const ownParts = (prepared: Prepared, step: AnyStep): Omit<CacheKey.KeyParts, "inputs"> => ({
  stage: step.stage.name,
  code: writtenCodeOf(prepared, step),
  params: paramsOf(prepared.settings, step),
  toolchain: Object.fromEntries(toolchainsOfStep(prepared, step).map((each) => [each.toolchain.name, each.encoded])),
  runtime: CacheKey.runtime,
  ...programsIn(prepared.programs.get(declaredId(step)))
})

const programsIn = (programs: CacheKey.Ingredients["programs"]): Pick<CacheKey.Ingredients, "programs"> =>
  programs === undefined ? {} : { programs }

/**
 * The digest of an input with the name by which a module finds it, if that is not the one that its own code says: the output of
 * another step lies where that declares it. The key of a command holds these names, but for those of many.
 */
const named = (stage: Stage.Any, key: string, path: string, digest: Digest.Digest): Digest.Digest => {
  const { input, entry } = inputOf(key)
  if ((stage._tag === "Command" && entry === undefined) || digest === absent) return digest
  const own = (stage.inputs as Stage.Inputs)[input]
  const declared = own?.kind === "many" ? own.of : own
  return declared?.path === path ? digest : Digest.ofJson("Named/v1", [digest, path])
}

/** What an optional input counts as that is not there. */
export const absent = Digest.ofJson("Absent/v1", null)

/** The digest of what a port gives; undefined while it is unknown. */
const digestOf = (
  prepared: Prepared,
  port: AnyStep["inputs"][string],
  results: ReadonlyMap<string, StepResult>
): Digest.Digest | undefined => {
  const source = sourceOf(prepared, port)
  if (source !== undefined) return source.content.digest
  const isAbsent = port.artifact.optional && port.owner._tag === "Step" && results.has(port.owner.id)
  return outputOf(prepared, port, results)?.digest ?? (isAbsent ? absent : undefined)
}

/** The parts of `step`'s key; undefined while an input is unknown. */
export const keyParts = (
  prepared: Prepared,
  step: AnyStep,
  results: ReadonlyMap<string, StepResult>
): CacheKey.KeyParts | undefined => {
  const inputs: Record<string, Digest.Digest> = {}
  for (const name in step.inputs) {
    const port = step.inputs[name]!
    const digest = digestOf(prepared, port, results)
    if (digest === undefined) return undefined
    inputs[name] = named(step.stage, name, port.artifact.path, digest)
  }
  return { ...ownParts(prepared, step), inputs }
}

/** The same parts as they are recorded with the result, for later comparison. */
export const recordedParts = (prepared: Prepared, step: AnyStep, parts: CacheKey.KeyParts): CacheKey.Ingredients => ({
  ...parts,
  code: codeOf(prepared, step),
  params: inOrder(parts.params) as Readonly<Record<string, unknown>>
})
