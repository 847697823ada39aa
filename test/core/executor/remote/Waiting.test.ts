/** Waiting for a job's outcome: what is looked for in its folder, and how often the cluster is asked. */
import { mkdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { Disk } from "../../../../cache/store/Disk.ts"
import { type Engine, EngineError, type Seen } from "../../../../core/executor/remote/Engine.ts"
import * as Job from "../../../../core/executor/remote/Job.ts"
import * as Waiting from "../../../../core/executor/remote/Waiting.ts"
import * as Watch from "../../../../core/executor/remote/Watch.ts"
import type { News, StepTask } from "../../../../core/executor/StepTask.ts"
import { temporaryFolder } from "../../../lib/temporary.ts"

const token = "00112233445566aa"
const seen = (state: string): Seen => ({ id: "7", name: "x", token, state, reason: "None", node: "n1" })

/** A cluster that says `states.now` of the job, or does not answer. */
const newEngine = (states: { now: string | undefined }) => {
  const asked: Array<number> = []
  const engine: Engine = {
    type: "slurm",
    submit: () => Effect.succeed("7"),
    cancel: () => Effect.void,
    look: Effect.suspend(() => {
      asked.push(Date.now())
      return states.now === undefined
        ? Effect.fail(new EngineError({ isRefusal: false, reason: "it is away" }))
        : Effect.succeed(states.now === "" ? [] : [seen(states.now)])
    })
  }
  return { engine, asked }
}

const outcome: Job.Outcome = {
  ...{ type: "done", host: "n1", node: "22.0.0", startedMs: 1, durationMs: 2, loaded: null, sealed: false },
  outputs: {}
}

/** A disk that fails where a name is looked for that no list has shown. */
const listedOnly = (looked: Array<string>) =>
  Effect.map(Disk, (disk) => {
    const shown = new Set<string>()
    const known = (file: string): void => {
      if (!shown.has(file)) looked.push(file)
    }
    const watched =
      <A>(ask: (file: string) => A) =>
      (file: string): A => {
        known(file)
        return ask(file)
      }
    return Disk.of({
      ...disk,
      list: (folder) =>
        Effect.tap(disk.list(folder), (entries) =>
          Effect.sync(() => entries.forEach(({ name }) => void shown.add(path.join(folder, name))))
        ),
      exists: watched(disk.exists),
      stat: watched(disk.stat),
      lstat: watched(disk.lstat),
      read: watched(disk.read),
      readText: watched(disk.readText)
    })
  })

const newWait = (engine: Engine, unseenMs = 300) =>
  Effect.gen(function* () {
    const folder = temporaryFolder()
    const task = { step: "train", log: path.join(folder, "log.txt") } as unknown as StepTask
    const news: Array<News> = []
    const told: Array<string> = []
    const notify = (text: string): void => void told.push(text)
    const watch = yield* Watch.make(engine, notify)
    const submission = { task } as unknown as Job.Submission
    const write = (name: string, value: unknown): void => {
      mkdirSync(folder, { recursive: true })
      writeFileSync(path.join(folder, name), JSON.stringify(value))
    }
    write(Job.files.submission(token), {})
    const job = { folder, token, id: "7", submission, isOurs: true }
    const resources = { cores: 1, memoryBytes: undefined, timeMs: undefined, gpus: undefined }
    const onNews = (each: News): void => void news.push(each)
    const waiting = Waiting.forOutcome({ task, job, resources, watch, notify, onNews, unseenMs })
    return { waiting, write, news, told, watch, folder }
  })

describe("waiting for a job", () => {
  it.live("looks for no name that its folder's list has not shown, and tells what the job said", () =>
    Effect.gen(function* () {
      const { waiting, write, news } = yield* newWait(newEngine({ now: "RUNNING" }).engine)
      const looked: Array<string> = []
      const fiber = yield* Effect.forkChild(Effect.provideServiceEffect(waiting, Disk, listedOnly(looked)))
      yield* Effect.sleep(300)
      const progress = { type: "progress", label: "epochs", done: 1, total: 2, unit: "", figures: {} } as const
      write(Job.files.said(token, 1), { progress, notices: ["well begun"] })
      yield* Effect.sleep(500)
      write(Job.files.outcome(token), outcome)
      expect(yield* Fiber.join(fiber)).toEqual(outcome)
      expect(news).toEqual([{ type: "notice", text: "well begun" }, progress])
      expect(looked).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Disk.layer))
  )

  it.live("takes no outcome of another submission", () =>
    Effect.gen(function* () {
      const { waiting, write } = yield* newWait(newEngine({ now: "FAILED" }).engine, 100)
      write(Job.files.outcome("ffffffffffffffff"), outcome)
      const ended = yield* Effect.result(waiting)
      expect(ended).toMatchObject({ _tag: "Failure", failure: { reason: expect.stringContaining("on n1 as FAILED") } })
    }).pipe(Effect.scoped, Effect.provide(Disk.layer))
  )

  it.live("believes an outcome over what the cluster says, also one that is seen late", () =>
    Effect.gen(function* () {
      const { waiting, write } = yield* newWait(newEngine({ now: "NODE_FAIL" }).engine, 3000)
      const fiber = yield* Effect.forkChild(waiting)
      yield* Effect.sleep(3500)
      write(Job.files.outcome(token), outcome)
      expect(yield* Fiber.join(fiber)).toEqual(outcome)
    }).pipe(Effect.scoped, Effect.provide(Disk.layer))
  )

  it.live("fails by no silence of the cluster", () =>
    Effect.gen(function* () {
      const states: { now: string | undefined } = { now: undefined }
      const { waiting, write } = yield* newWait(newEngine(states).engine, 50)
      const fiber = yield* Effect.forkChild(waiting)
      yield* Effect.sleep(3000)
      write(Job.files.outcome(token), outcome)
      expect(yield* Fiber.join(fiber)).toEqual(outcome)
    }).pipe(Effect.scoped, Effect.provide(Disk.layer))
  )

  it.live("begins again when another run has taken the outcome, or the cluster forgot the job", () =>
    Effect.gen(function* () {
      const forgotten = yield* newWait(newEngine({ now: "" }).engine, 50)
      expect(yield* Effect.flip(forgotten.waiting)).toMatchObject({ lost: true })
      const { waiting, folder } = yield* newWait(newEngine({ now: "RUNNING" }).engine)
      yield* Effect.flatMap(Disk, (disk) => disk.remove(path.join(folder, Job.files.submission(token))))
      expect(yield* Effect.flip(waiting)).toMatchObject({ lost: true })
    }).pipe(Effect.scoped, Effect.provide(Disk.layer))
  )
})

describe("a controller that was killed, and gives a job's number to another", () => {
  it.live("does not have another's job taken for the one that is waited for", () =>
    Effect.gen(function* () {
      const other = { ...seen("RUNNING"), token: "ffffffffffffffff" }
      const { engine } = newEngine({ now: "RUNNING" })
      const { waiting } = yield* newWait({ ...engine, look: Effect.succeed([other]) }, 50)
      expect(yield* Effect.flip(waiting)).toMatchObject({ lost: true })
    }).pipe(Effect.scoped, Effect.provide(Disk.layer))
  )

  it.live("does not have another's job ended", () =>
    Effect.gen(function* () {
      const { engine } = newEngine({ now: "RUNNING" })
      const cancelled: Array<string> = []
      const cancel: Engine["cancel"] = (id) => Effect.sync(() => void cancelled.push(id))
      const watch = yield* Watch.make(engine, () => undefined)
      yield* Waiting.cancel({ ...engine, cancel }, watch, { id: "7", token: "ffffffffffffffff" })
      expect(cancelled).toEqual([])
      const own = Waiting.cancel({ ...engine, cancel }, watch, { id: "7", token })
      yield* Effect.ignore(Effect.timeout(own, 500))
      expect(cancelled.length).toBeGreaterThan(0)
    }).pipe(Effect.scoped)
  )
})

describe("the cluster", () => {
  it.live("is asked once for all jobs, and no sooner again than in two seconds", () =>
    Effect.gen(function* () {
      const { engine, asked } = newEngine({ now: "RUNNING" })
      const watch = yield* Watch.make(engine, () => undefined)
      const one = Effect.forever(Effect.andThen(watch.current, Effect.sleep(20)))
      const fibers = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(one))
      yield* Effect.sleep(6500)
      yield* Effect.forEach(fibers, Fiber.interrupt)
      expect(asked.length).toBeGreaterThan(1)
      expect(asked.length).toBeLessThanOrEqual(3)
    }).pipe(Effect.scoped)
  )

  it.live("answers all who ask at a time by one look", () =>
    Effect.gen(function* () {
      const { engine, asked } = newEngine({ now: "RUNNING" })
      const watch = yield* Watch.make(engine, () => undefined)
      const sinceMs = Date.now()
      yield* Effect.forEach(Array.from({ length: 20 }), () => watch.since(sinceMs), { concurrency: "unbounded" })
      expect(asked.length).toBe(1)
    }).pipe(Effect.scoped)
  )
})
