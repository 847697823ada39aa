/**
 * Places: what a watched run was made from: its sources, code and pipeline. It tells them to the process that watches it, in a message,
 * once its plan is made.
 */
import { statSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import { CodeIdentity } from "../../cache/code/CodeIdentity.ts"
import type { Prepared } from "../../core/plan/Prepared.ts"
import type { Project } from "../Project.ts"

export interface Places {
  /** Folders of which every entry counts, but not what is in folders below. */
  readonly folders: ReadonlyArray<string>
  /** Files, and whatever else counts by its name. */
  readonly files: ReadonlyArray<string>
  /** When the plan began to look at them, in milliseconds since 1970. */
  readonly seenMs: number
}

/** The variable that a watched run has. */
export const variable = "OP_PIPE_WATCHED"

const isPlaces = (value: unknown): value is Places =>
  typeof value === "object" && value !== null && "folders" in value && "files" in value

/** The places in a message; undefined of any other message. */
export const parse = (message: unknown): Places | undefined => (isPlaces(message) ? message : undefined)

const isFolder = (at: string): boolean => statSync(at, { throwIfNoEntry: false })?.isDirectory() === true

/** Tells the places of a run to the process that watches it. */
export const tell = Effect.fn("watch.tell")(function* (prepared: Prepared, { pipelineFile, root }: Project) {
  const identity = yield* CodeIdentity
  // a pipeline of which not all modules can be known is watched as far as they are
  const own = yield* Effect.result(identity.of(pathToFileURL(pipelineFile).href))
  const code = [...prepared.code.values(), ...(own._tag === "Success" ? [own.success] : [])]
  const files = new Set([pipelineFile, path.join(root, "package.json")])
  for (const { loaded, files: read } of code) for (const file of [...loaded, ...read.keys()]) files.add(file)
  const sources = Array.from(prepared.sources.values())
  // a folder that is removed and made again is another one
  for (const source of sources) files.add(source.path)
  const folders = sources.flatMap(({ path: at, content }) =>
    isFolder(at) ? content.seen.map(({ folder }) => path.join(at, folder)) : []
  )
  const began = sources.map(({ seenMs, tookMs }) => seenMs - tookMs)
  const seenMs = Math.min(Date.now(), ...began)
  const places: Places = {
    seenMs,
    folders,
    files: Array.from(files).filter((file) => !file.includes("/node_modules/"))
  }
  yield* Effect.sync(() => process.send?.(places))
})
