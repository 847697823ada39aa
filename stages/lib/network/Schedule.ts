/**
 * Learning rate schedules, as PyTorch's StepLR, CosineAnnealingLR and ReduceLROnPlateau define them, and early
 * stopping.
 */
import type { TrainParams } from "../../../schemas/Train.ts"

type ScheduleParams = Pick<
  TrainParams,
  "learningRate" | "schedule" | "stepEpochs" | "gamma" | "plateauEpochs" | "epochs"
>

/** ReduceLROnPlateau's default: an improvement is a loss below this share of the best one. */
const plateauShare = 1 - 1e-4

const plateau = (params: ScheduleParams, validationLosses: ReadonlyArray<number>): number => {
  let rate = params.learningRate
  let best = Number.POSITIVE_INFINITY
  let bad = 0
  for (const loss of validationLosses) {
    if (loss < best * plateauShare) {
      best = loss
      bad = 0
    } else bad++
    if (bad > params.plateauEpochs) {
      rate *= params.gamma
      bad = 0
    }
  }
  return rate
}

/**
 * The learning rate of the epoch after `validationLosses.length` finished ones. It depends on nothing else, so that a
 * resumed training has the same rate.
 */
export const learningRate = (params: ScheduleParams, validationLosses: ReadonlyArray<number>): number => {
  const finished = validationLosses.length
  switch (params.schedule) {
    case "constant":
      return params.learningRate
    case "step":
      return params.learningRate * params.gamma ** Math.floor(finished / params.stepEpochs)
    case "cosine":
      return (params.learningRate * (1 + Math.cos((Math.PI * finished) / params.epochs))) / 2
    case "plateau":
      return plateau(params, validationLosses)
  }
}

/** Whether the last `patience` epochs brought no better validation accuracy; never with a patience of 0. */
export const outOfPatience = (patience: number, validationAccuracies: ReadonlyArray<number>): boolean => {
  const best = validationAccuracies.indexOf(Math.max(...validationAccuracies))
  return patience > 0 && validationAccuracies.length - 1 - best >= patience
}
