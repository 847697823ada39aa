/**
 * Unchanged: whether what a step reads from outside of the store is still what its key holds: sources, code, programs.
 *
 * Looked at before the step begins, to save its work, and after it, where it decides whether there is a result.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CodeFingerprint } from "../../../cache/code/CodeFingerprint.ts"
import { CodeIdentity } from "../../../cache/code/CodeIdentity.ts"
import * as Digest from "../../../cache/identity/Digest.ts"
import { few, shownName } from "../../../cache/identity/Shown.ts"
import { Disk, orAbsent } from "../../../cache/store/Disk.ts"
import type { StatMemo } from "../../../cache/store/StatMemo.ts"
import { Store } from "../../../cache/store/Store.ts"
import * as Tree from "../../../cache/store/Tree.ts"
import { type Executed, type Loaded, StepError } from "../../executor/Executor.ts"
import type { AnyStep } from "../../pipeline/Step.ts"
import * as Plan from "../../plan/Plan.ts"
import { codeIdOf, fingerprintOf, type Prepared, type PreparedSource, sourceOf } from "../../plan/Prepared.ts"
import * as Sources from "../../plan/Sources.ts"

const loadedOtherwise = ({ files }: CodeFingerprint, loaded: Loaded): ReadonlyArray<string> =>
  Array.from(files).flatMap(([file, digest]) => {
    const then = loaded[file]
    return then === undefined || then === digest ? [] : [file]
  })

/** The files that differ from the key, among those that the executor did not report as loaded (linked packages). */
const editedSince = Effect.fnUntraced(function* ({ files }: CodeFingerprint, loaded: Loaded, memo: StatMemo) {
  const unseen = Array.from(files).filter(([file]) => loaded[file] === undefined)
  return yield* Effect.filter(unseen, ([file, digest]) =>
    memo.digest(file).pipe(
      Effect.map((now) => now !== digest),
      Effect.orElseSucceed(() => true)
    )
  ).pipe(Effect.map((edited) => edited.map(([file]) => file)))
})

/**
 * Whether the stage's modules are now what the key holds. Digests of files do not say it: a name may lead to another module, by a
 * link or a manifest, while no module has changed. Of one bundle it is asked once, when it has just been made: what is edited
 * later is not in it.
 */
const isAsPlanned = Effect.fnUntraced(function* (before: CodeFingerprint, source: string, bundle: Executed["loaded"]) {
  const known = bundle === undefined ? undefined : codeBeside.get(bundle)
  if (known !== undefined) return known === before.text
  const now = yield* (yield* CodeIdentity).now(source).pipe(
    Effect.map(({ text }) => text),
    // a module is gone, or half written
    Effect.orElseSucceed(() => "")
  )
  if (bundle !== undefined) codeBeside.set(bundle, now)
  return now === before.text
})

/** The code that a bundle was made from, by the digests of its modules. */
const codeBeside = new WeakMap<Loaded, string>()

/** The modules that differ from the key: as they were loaded, or else as they are now. */
const changedModules = Effect.fnUntraced(function* (
  before: CodeFingerprint,
  { stage }: AnyStep,
  loaded: Executed["loaded"]
) {
  const { memo } = yield* Store
  const files = loaded && [...loadedOtherwise(before, loaded), ...(yield* editedSince(before, loaded, memo))]
  // a script names its modules by their paths alone
  if (files !== undefined && (files.length > 0 || stage._tag === "Command")) return files
  return (yield* isAsPlanned(before, codeIdOf(stage) ?? "", loaded)) ? [] : ["its code"]
})

/** Nothing is wrong with the input, so this is no fault of it; but another attempt goes by the same key. */
const changed = (step: AnyStep, what: string, since: keyof typeof consequences): StepError =>
  new StepError({
    step: step.id,
    fault: "stage",
    isFinal: true,
    reason: `${what} changed ${since}, so ${consequences[since]}. Run again`,
    log: null
  })
const consequences = {
  "since the run began": "the step was not begun",
  "while the step ran": "its result was discarded"
} as const

export const sourcesOf = (prepared: Prepared, step: AnyStep): ReadonlyArray<PreparedSource> =>
  Object.values(step.inputs).flatMap((port) => sourceOf(prepared, port) ?? [])

/**
 * Whether a check before the step is worth its time. It only saves the work of a step whose result would be discarded:
 * the check after the step decides. So a source whose snapshot takes long is not checked again at once.
 */
const isWorthLooking = ({ seenMs, tookMs }: PreparedSource, nowMs: number): boolean =>
  tookMs < quickMs || nowMs - seenMs > 4 * tookMs
const quickMs = 200

/** `a.png, b.png and 2 more in images`. */
const describeTouched = ({ source }: PreparedSource, paths: ReadonlyArray<string>): string => {
  // a source of one file is its name
  if (paths.length === 0 || source.artifact.kind !== "folder") return source.name
  return `${few(paths.map(shownName))} in ${source.name}`
}

/** Fails if a source changed since the key was made. */
export const checkSources = Effect.fnUntraced(function* (
  prepared: Prepared,
  step: AnyStep,
  since: keyof typeof consequences
) {
  for (const before of sourcesOf(prepared, step)) {
    if (since === "since the run began" && !isWorthLooking(before, yield* Sources.nowMs)) continue
    const now = yield* Sources.snapshot(before.source, before.path)
    if (Tree.isUntouched(before.content, now.content)) continue
    return yield* changed(step, describeTouched(before, Tree.touched(before.content, now.content)), since)
  }
})

/** Fails if the loaded code differs from the key. Code may change once it is loaded. */
const checkCode = Effect.fnUntraced(function* (prepared: Prepared, step: AnyStep, loaded: Executed["loaded"]) {
  const before = fingerprintOf(prepared, step.stage)
  // the key holds a command itself
  if (before === undefined) return
  const [first] = yield* changedModules(before, step, loaded)
  if (first !== undefined) return yield* changed(step, first, "while the step ran")
})

/**
 * Drops a checkpoint whose code was loaded at an unknown time, if the code's files were touched since: the checkpoint
 * may come from other code.
 */
const checkTouched = Effect.fnUntraced(function* (
  checkpoint: string,
  { files }: CodeFingerprint,
  isLoadedLater: boolean
) {
  const disk = yield* Disk
  const note = `${checkpoint}.code`
  const now = Digest.ofText(JSON.stringify(yield* disk.stats(Array.from(files.keys()))))
  const before = yield* orAbsent(disk.readText(note))
  if (Option.isSome(before) && before.value !== now) yield* disk.remove(checkpoint)
  if (!isLoadedLater) return
  yield* disk.remove(note)
  yield* disk.create(note, now)
})

/** Makes what fails if the code that is about to be loaded differs from the key, as far as the executor knows it. */
export const checkBegin = Effect.fnUntraced(function* (prepared: Prepared, step: AnyStep, checkpoint: string) {
  const context = yield* Effect.context<Disk | Store | CodeIdentity>()
  return Effect.fnUntraced(function* (loaded: Executed["loaded"]) {
    const before = fingerprintOf(prepared, step.stage)
    if (before === undefined) return
    const [first] = loadedOtherwise(before, loaded ?? {})
    if (first !== undefined) return yield* changed(step, first, "since the run began")
    // of a script it is asked when it has run
    if (step.stage._tag === "Stage" && !(yield* isAsPlanned(before, step.stage.source, loaded)))
      return yield* changed(step, "its code", "since the run began")
    yield* Effect.mapError(
      checkTouched(checkpoint, before, loaded === undefined),
      ({ message }) => new StepError({ step: step.id, fault: "bug", reason: message, log: null })
    )
  }, Effect.provideContext(context))
})

/** Fails if sources, code or programs differ from the key, and removes the step's checkpoint then. */
export const checkUnchanged = (prepared: Prepared, step: AnyStep, key: Digest.Digest, executed: Executed) =>
  Effect.gen(function* () {
    yield* checkSources(prepared, step, "while the step ran")
    yield* checkCode(prepared, step, executed.loaded)
    const program = yield* Plan.changedProgram(prepared, step)
    if (program !== undefined) return yield* changed(step, `program ${program}`, "while the step ran")
  }).pipe(
    Effect.tapError(() =>
      Effect.gen(function* () {
        const [disk, { layout }] = [yield* Disk, yield* Store]
        yield* Effect.ignore(disk.remove(layout.checkpoint(key)))
      })
    )
  )
