/** Made-up trainings, of which it is known what they show. */
import type { Epoch, History } from "../../../schemas/Train.ts"

export interface Shape {
  readonly epochs: number
  readonly trainLoss: (epoch: number) => number
  readonly validationLoss: (epoch: number) => number
  readonly trainAccuracy?: (epoch: number) => number
  readonly validationAccuracy?: (epoch: number) => number
  /** Norm of a layer. */
  readonly norm: (layer: string, epoch: number) => number
  readonly updateRatio?: (layer: string, epoch: number) => number
  /** Of a layer with a ReLU. */
  readonly dead?: (layer: string, epoch: number) => number
  readonly loss?: History["loss"]
  readonly plannedEpochs?: number
}

/** The defaults. */
export const thresholds = { vanishing: 1e-3, exploding: 100, dead: 0.5, still: 1e-5, rushed: 0.1 }

export const layers = ["conv1", "conv2", "conv3", "fc1", "fc2"]

const fraction = (value: number): number => Math.min(1, Math.max(0, value))

export const history = (shape: Shape, classes: ReadonlyArray<string> = ["a", "b", "c", "d"]): History => {
  const epochs = Array.from({ length: shape.epochs }, (_, i): Epoch => {
    const epoch = i + 1
    const accuracy = fraction(shape.validationAccuracy?.(epoch) ?? 0.5)
    return {
      epoch,
      trainLoss: shape.trainLoss(epoch),
      validationLoss: shape.validationLoss(epoch),
      trainAccuracy: fraction(shape.trainAccuracy?.(epoch) ?? 0.6),
      validationAccuracy: accuracy,
      testAccuracy: accuracy,
      validationF1Macro: accuracy,
      validationF1Micro: accuracy,
      testF1Macro: accuracy,
      testF1Micro: accuracy,
      learningRate: 0.001,
      gradientNorm: Object.fromEntries(layers.map((layer) => [layer, shape.norm(layer, epoch)])),
      updateRatio: Object.fromEntries(layers.map((layer) => [layer, shape.updateRatio?.(layer, epoch) ?? 1e-3])),
      deadShare: Object.fromEntries(layers.slice(0, -1).map((layer) => [layer, shape.dead?.(layer, epoch) ?? 0]))
    }
  })
  const best = epochs.reduce((a, b) => (b.validationAccuracy > a.validationAccuracy ? b : a))
  const { loss = "crossEntropy", plannedEpochs = shape.epochs } = shape
  return {
    classes,
    layers,
    loss,
    plannedEpochs,
    stoppedEarly: plannedEpochs > shape.epochs,
    bestEpoch: best.epoch,
    epochs: epochs as unknown as History["epochs"]
  }
}

/** Falls smoothly. */
export const falling = (epoch: number): number => 0.2 + 2 * Math.exp(-epoch / 6)
/** The same with teeth. */
export const jagged = (epoch: number): number => falling(epoch) + (epoch % 2 === 0 ? 0.15 : 0)
