/**
 * The feature extractor: a network cut after its last hidden layer. Its output is the layer's values before the ReLU.
 */
import * as Option from "effect/Option"
import type { NetworkSpec } from "../../../schemas/Network.ts"
import type { TrainedNetwork } from "../../../schemas/Train.ts"

export interface FeatureExtractor {
  readonly spec: NetworkSpec
  readonly units: number
  /** Whether a ReLU follows. */
  readonly relu: boolean
}

/** None when no dense layer stands before the last. */
export const featureExtractorOf = ({
  spec,
  classes
}: Pick<TrainedNetwork, "spec" | "classes">): Option.Option<FeatureExtractor> => {
  const { layers, name } = spec
  const at = layers.findLastIndex((layer, i) => layer.type === "dense" && i < layers.length - 1)
  const hidden = layers[at]
  if (hidden?.type !== "dense") return Option.none()
  const [first, ...rest] = [...layers.slice(0, at), { type: "dense", units: "classes" } as const]
  return Option.some({
    spec: { name: `${name}-features`, layers: [first!, ...rest] },
    units: hidden.units === "classes" ? classes.length : hidden.units,
    relu: layers.slice(at + 1).some((layer) => layer.type === "relu")
  })
}
