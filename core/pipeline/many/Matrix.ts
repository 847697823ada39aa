/** Matrix: a step for each combination of parameters. */
import type * as Artifact from "../Artifact.ts"
import type * as Limits from "../Limits.ts"
import { DeclarationError } from "../Names.ts"
import type * as Stage from "../Stage.ts"
import {
  type AnyStep,
  type InputsOf,
  type ManyPort,
  type ParamsOf,
  type Port,
  placed,
  type Step,
  type Wired,
  withOutputs
} from "../Step.ts"

/** The steps of a matrix. Its outputs are many, under names such as `lr=0.1,depth=2`. */
export interface Matrix<S extends Stage.Any, K extends keyof ParamsOf<S>> {
  /** In the order of the values, the last parameter's first. */
  readonly steps: ReadonlyArray<Step<S>>
  readonly out: { readonly [O in keyof S["output"]]: ManyPort<S["output"][O]> }
  /** The step with these values. Throws `DeclarationError` for a combination that is none of the matrix. */
  readonly at: (values: Pick<ParamsOf<S>, K>) => Step<S>
}

/** Names are read on a command line and are those of folders; other values have no text that both could take. */
const textOf = (stage: string, name: string, value: unknown): string => {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value)
  throw new DeclarationError(
    `matrix ${stage}: expected values of ${name} that are texts, numbers or truth values, but found ${JSON.stringify(value)}. Place a step with a variant for it`
  )
}

type Combination = Readonly<Record<string, unknown>>

const combinations = (over: Readonly<Record<string, ReadonlyArray<unknown>>>): ReadonlyArray<Combination> =>
  Object.entries(over).reduce<ReadonlyArray<Combination>>(
    (before, [name, values]) => before.flatMap((each) => values.map((value) => ({ ...each, [name]: value }))),
    [{}]
  )

/**
 * Places `stage` for each combination of the values in `over`, by parameter: `train@lr=0.1,depth=2`. All have the same inputs.
 *
 * Unlike the settings of `op-pipe sweep`, which are runs, these are steps of one run: another step can read all of them. Throws
 * `DeclarationError` for a parameter without values, the same value twice, and values whose text is no variant's.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Artifact, Pipeline, Stage } from "op-pipe"
 *
 * const Value = Artifact.json({ tag: "Value/v1", path: "value.json", schema: Schema.Finite })
 * const product = Stage.make({
 *   name: "product",
 *   source: import.meta.url,
 *   params: Schema.Struct({ a: Schema.Finite, b: Schema.Finite }),
 *   inputs: {},
 *   output: { value: Value },
 *   run: ({ params, output }) => output.value.write(params.a * params.b)
 * })
 * const sum = Stage.make({
 *   name: "sum",
 *   source: import.meta.url,
 *   params: Schema.Struct({}),
 *   inputs: { values: Artifact.many(Value) },
 *   output: { value: Value },
 *   run: ({ inputs, output }) =>
 *     Effect.flatMap(Effect.forEach(inputs.values, ({ read }) => read), (all) => output.value.write(all.reduce((a, b) => a + b)))
 * })
 *
 * const products = Pipeline.matrix(product, { over: { a: [1, 2], b: [10, 20] }, inputs: {} })
 * const summed = Pipeline.step(sum, { inputs: { values: products.out.value } })
 * const pipeline = Pipeline.make({ name: "table", steps: [summed] })
 * console.log(pipeline.steps.length) // 5
 * console.log(products.at({ a: 2, b: 10 }).id) // product@a=2,b=10
 * ```
 */
export const matrix = <S extends Stage.Any, const K extends keyof ParamsOf<S> & string>(
  stage: S,
  options: Limits.Declared & {
    readonly over: { readonly [P in K]: ReadonlyArray<ParamsOf<S>[P]> }
    readonly inputs: { readonly [I in keyof InputsOf<S>]: Wired<InputsOf<S>[I]> }
    readonly params?: Partial<Omit<ParamsOf<S>, K>>
  }
): Matrix<S, K> => {
  const over = options.over as Readonly<Record<string, ReadonlyArray<unknown>>>
  const empty = Object.keys(over).find((name) => over[name]!.length === 0)
  if (empty !== undefined || Object.keys(over).length === 0)
    throw new DeclarationError(`matrix ${stage.name}: expected values of ${empty ?? "a parameter"}, but found none`)
  const nameOf = (values: Combination): string =>
    Object.keys(over)
      .map((name) => `${name}=${textOf(stage.name, name, values[name])}`)
      .join(",")
  const steps = new Map<string, AnyStep>()
  for (const values of combinations(over)) {
    const variant = nameOf(values)
    if (steps.has(variant))
      throw new DeclarationError(`matrix ${stage.name}: expected values that differ, but found ${variant} twice`)
    const params = { ...(options.params as Combination | undefined), ...values }
    steps.set(variant, withOutputs(placed(stage, { ...options, variant, params } as Parameters<typeof placed>[1])))
  }
  const outputs = Object.entries(stage.output as Readonly<Record<string, Artifact.Any>>)
  const out = outputs.map(([output, artifact]): readonly [string, ManyPort<Artifact.Any>] => {
    const ports = Array.from(
      steps,
      ([name, step]) => [name, step.out[output]!] as readonly [string, Port<Artifact.Any>]
    )
    return [output, { _tag: "Many", artifact, from: { type: "ports", ports } }]
  })
  const at = (values: Combination): AnyStep => {
    const found = steps.get(nameOf(values))
    if (found !== undefined) return found
    throw new DeclarationError(
      `matrix ${stage.name}: expected one of ${Array.from(steps.keys()).join("; ")}, but found ${nameOf(values)}`
    )
  }
  return { steps: Array.from(steps.values()), out: Object.fromEntries(out), at } as unknown as Matrix<S, K>
}
