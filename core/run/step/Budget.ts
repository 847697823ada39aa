/**
 * Budget: the cores, the memory and the GPUs that the steps of a run share. A step begins when what it needs is free.
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
import * as Gpus from "./Gpus.ts"

const mebibyte = 2 ** 20

/** The memory of the machine, or what its container may use of it. */
const memoryBytes = (): number => Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)

/** A permit for each GPU, and the names of those that are free. */
interface Shared {
  readonly permits: Semaphore.Semaphore
  readonly free: Array<string>
  readonly all: number
}

const makeGpus = (): Shared => {
  const free = [...Gpus.names()]
  return { permits: Semaphore.makeUnsafe(free.length), free, all: free.length }
}

export interface Budget {
  readonly cores: Semaphore.Semaphore
  /** A permit for each mebibyte. */
  readonly memory: Semaphore.Semaphore
  /** Looked for when the first step asks for one. */
  readonly gpus: () => Shared
  readonly all: { readonly cores: number; readonly memory: number }
}

/** The budget of a run with so many cores. */
export const make = Effect.fnUntraced(function* (cores: number) {
  const memory = Math.max(1, Math.floor(memoryBytes() / mebibyte))
  let gpus: Shared | undefined
  const budget: Budget = {
    cores: yield* Semaphore.make(cores),
    memory: yield* Semaphore.make(memory),
    gpus: () => (gpus ??= makeGpus()),
    all: { cores, memory }
  }
  return budget
})

export interface Need {
  /** Permits to take. */
  readonly cores: number
  readonly memory: number
  /** Undefined of a step that says nothing: it sees all GPUs, and takes none. */
  readonly gpus: number | undefined
  /** How many cores the step is told to use. */
  readonly granted: number
  /** Why it runs alone, if it does. */
  readonly alone: string | undefined
}

const gibibytes = (mebibytes: number): string => `${Number((mebibytes / 1024).toFixed(1))} GiB`

/** What a step needs of the budget. */
export const needOf = ({ all, ...budget }: Budget, prepared: Prepared, step: AnyStep): Need => {
  const { cores, memoryBytes = 0, gpus } = Limits.over(step.stage.limits, step.limits)
  const memory = Math.ceil(memoryBytes / mebibyte)
  const allGpus = gpus === undefined ? 0 : budget.gpus().all
  const toolchains = Ingredients.toolchainsOfStep(prepared, step)
  const busy = cores ?? Math.max(1, ...toolchains.map((each) => each.cores))
  const lacking = [
    ...(cores !== undefined && cores > all.cores ? [`${cores} cores of ${all.cores}`] : []),
    ...(memory > all.memory ? [`${gibibytes(memory)} of memory, of ${gibibytes(all.memory)}`] : []),
    ...(gpus !== undefined && gpus > allGpus ? [`${gpus} ${gpus === 1 ? "GPU" : "GPUs"} of ${allGpus}`] : [])
  ]
  // a stage that says nothing may use all cores; it counts as one
  const granted = cores === undefined && toolchains.length === 0 ? all.cores : Math.min(all.cores, busy)
  if (lacking.length === 0) return { cores: Math.min(all.cores, busy), memory, gpus, granted, alone: undefined }
  // of GPUs that nobody knows of, it sees what there is
  const held = gpus !== undefined && gpus <= allGpus ? gpus : undefined
  return {
    cores: all.cores,
    memory: all.memory,
    gpus: held,
    granted,
    alone: `it asks for ${lacking.join(" and ")} that the run has, so it runs alone`
  }
}

/** What a step that is done elsewhere needs: nothing of this machine, and one of the places there. */
export const needElsewhere = (cores: number): Need => ({
  cores: 0,
  memory: 0,
  gpus: undefined,
  granted: cores,
  alone: undefined
})

/** Holds `count` permits until the scope closes, or until the returned effect releases them; `taken` is told of both. */
const holdOf = Effect.fnUntraced(function* (
  semaphore: Semaphore.Semaphore,
  count: number,
  taken: { readonly begin?: () => void; readonly end?: () => void } = {}
) {
  if (count === 0) return Effect.void
  let held = count
  const release = Effect.suspend(() => {
    const returned = held
    held = 0
    if (returned === 0) return Effect.void
    taken.end?.()
    return Effect.asVoid(Semaphore.release(semaphore, returned))
  })
  const take = Effect.map(Semaphore.take(semaphore, count), () => taken.begin?.())
  yield* Effect.acquireRelease(take, () => release, { interruptible: true })
  return release
})

/** What a step has. */
export interface Held {
  /** Gives it back before the scope closes. */
  readonly release: Effect.Effect<void>
  /** The GPUs that it asked for, as CUDA names them; null if it asked for none, or is done elsewhere. */
  readonly gpus: ReadonlyArray<string> | null
}

/**
 * Holds what a step needs until the scope closes, or until it is released: of the budget or, of a step that is done elsewhere, one of
 * `slots`. All steps take cores first, then memory.
 */
export const hold = Effect.fnUntraced(function* (budget: Budget, need: Need, slots?: Semaphore.Semaphore) {
  const of = (release: Effect.Effect<void>, gpus: Held["gpus"]): Held => ({ release, gpus })
  if (slots !== undefined) return of(yield* holdOf(slots, 1), null)
  const cores = yield* holdOf(budget.cores, need.cores)
  const memory = yield* holdOf(budget.memory, need.memory)
  if (need.gpus === undefined) return of(Effect.andThen(cores, memory), null)
  const { permits, free } = budget.gpus()
  const names: Array<string> = []
  const gpus = yield* holdOf(permits, need.gpus, {
    begin: () => names.push(...free.splice(0, need.gpus)),
    end: () => free.push(...names)
  })
  return of(Effect.all([cores, memory, gpus], { discard: true }), names)
})
