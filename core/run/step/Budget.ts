/**
 * Budget: the cores and the memory that the steps of a run share. A step begins when what it needs is free.
 *
 * Memory is what steps say that they take; nothing measures it. A step that needs more than there is runs alone.
 */
import { totalmem } from "node:os"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Limits from "../../pipeline/Limits.ts"
import type { AnyStep } from "../../pipeline/Step.ts"
import * as Ingredients from "../../plan/Ingredients.ts"
import type { Prepared } from "../../plan/Prepared.ts"

const mebibyte = 2 ** 20

/** The memory of the machine, or what its container may use of it. */
const memoryBytes = (): number => Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)

export interface Budget {
  readonly cores: Semaphore.Semaphore
  /** A permit for each mebibyte. */
  readonly memory: Semaphore.Semaphore
  readonly all: { readonly cores: number; readonly memory: number }
}

/** The budget of a run with so many cores. */
export const make = Effect.fnUntraced(function* (cores: number) {
  const memory = Math.max(1, Math.floor(memoryBytes() / mebibyte))
  const budget: Budget = {
    cores: yield* Semaphore.make(cores),
    memory: yield* Semaphore.make(memory),
    all: { cores, memory }
  }
  return budget
})

export interface Need {
  /** Permits to take. */
  readonly cores: number
  readonly memory: number
  /** How many cores the step is told to use. */
  readonly granted: number
  /** Why it runs alone, if it does. */
  readonly alone: string | undefined
}

const gibibytes = (mebibytes: number): string => `${Number((mebibytes / 1024).toFixed(1))} GiB`

/** What a step needs of the budget. */
export const needOf = ({ all }: Budget, prepared: Prepared, step: AnyStep): Need => {
  const { cores, memoryBytes = 0 } = Limits.over(step.stage.limits, step.limits)
  const memory = Math.ceil(memoryBytes / mebibyte)
  const toolchains = Ingredients.toolchainsOfStep(prepared, step)
  const busy = cores ?? Math.max(1, ...toolchains.map((each) => each.cores))
  const lacking = [
    ...(cores !== undefined && cores > all.cores ? [`${cores} cores of ${all.cores}`] : []),
    ...(memory > all.memory ? [`${gibibytes(memory)} of memory, of ${gibibytes(all.memory)}`] : [])
  ]
  // a stage that says nothing may use all cores; it counts as one
  const granted = cores === undefined && toolchains.length === 0 ? all.cores : Math.min(all.cores, busy)
  if (lacking.length === 0) return { cores: Math.min(all.cores, busy), memory, granted, alone: undefined }
  return { ...all, granted, alone: `it asks for ${lacking.join(" and ")} that the run has, so it runs alone` }
}

/** What a step that is done elsewhere needs: nothing of this machine, and one of the places there. */
export const needElsewhere = (cores: number): Need => ({ cores: 0, memory: 0, granted: cores, alone: undefined })

const holdOf = Effect.fnUntraced(function* (semaphore: Semaphore.Semaphore, count: number) {
  if (count === 0) return Effect.void
  let held = count
  const release = Effect.suspend(() => {
    const returned = held
    held = 0
    return returned === 0 ? Effect.void : Effect.asVoid(Semaphore.release(semaphore, returned))
  })
  yield* Effect.acquireRelease(Semaphore.take(semaphore, count), () => release, { interruptible: true })
  return release
})

/**
 * Holds what a step needs until the scope closes, or until the returned effect releases it: of the budget or, of a step that is done
 * elsewhere, one of `slots`. All steps take cores first.
 */
export const hold = Effect.fnUntraced(function* (budget: Budget, need: Need, slots?: Semaphore.Semaphore) {
  if (slots !== undefined) return yield* holdOf(slots, 1)
  const releaseCores = yield* holdOf(budget.cores, need.cores)
  const releaseMemory = yield* holdOf(budget.memory, need.memory)
  return Effect.andThen(releaseCores, releaseMemory)
})
