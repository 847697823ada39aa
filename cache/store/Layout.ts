/**
 * Layout: where things lie below the store's folder (`.op-pipe/`).
 *
 * The layout's version is in the folder's name, so that a later one can stand beside it. Two levels: bytes by their
 * digest (`blobs`), and results by their key (`results`). All else is a hint or scratch: it may be removed at any time.
 */
import { homedir, userInfo } from "node:os"
import * as path from "node:path"
import * as Digest from "../identity/Digest.ts"

/** What a store is opened for. */
export interface Purpose {
  /** The name of the pipeline: what its steps came to last is apart from what those of another in this store did. */
  readonly pipeline?: string
  /** Whether the store may be made; a question makes nothing. */
  readonly mayMake?: boolean
}

export interface Layout extends Required<Purpose> {
  readonly root: string
  readonly blob: (digest: Digest.Digest) => string
  /** The record of a key, or of the name of an earlier, replaced record of a key. */
  readonly result: (name: string) => string
  /** The key of a step's last result: where `why` starts to compare. A hint. */
  readonly lastResult: (stepId: string) => string
  readonly lastResults: string
  readonly run: (runId: string) => string
  readonly runs: string
  /** The pinned runs. */
  readonly pins: string
  readonly blobs: string
  readonly results: string
  readonly memo: (name: string) => string
  /** Which blob lists the files of the source with this digest, so that `why` can name what changed in it. Hints. */
  readonly sources: string
  readonly source: (digest: Digest.Digest) => string
  readonly checkpoints: string
  readonly checkpoint: (key: Digest.Digest) => string
  readonly temporary: string
  /** Folders of running steps. */
  readonly work: string
  /** Steps that other machines do: what is to be done, and what came of it. */
  readonly job: (key: Digest.Digest) => string
  readonly jobs: string
  /** A lock between the machines that share the store. */
  readonly lease: (name: Digest.Digest) => string
  readonly leases: string
  /** What steps printed, by the run that executed them. Hints. */
  readonly logs: string
  readonly log: (runId: string, stepId: string) => string
  /**
   * What toolchains build or fetch, shared by all projects of a user: a build takes a while and is the same everywhere.
   */
  readonly toolchains: string
  readonly toolchain: (name: string) => string
}

/** A folder of the user's for all programs: as the variable says, which counts if it is absolute (XDG), or else `name` in the home. */
export const userFolder = (variable: "XDG_CACHE_HOME" | "XDG_CONFIG_HOME", name: string): string => {
  const given = process.env[variable] ?? ""
  // an empty HOME would be the working directory
  return path.isAbsolute(given) ? given : path.join(homedir() || userInfo().homedir, name)
}

/** `OP_PIPE_CACHE_DIR`, or else the platform's cache folder. */
export const userCache = (): string => {
  const given = process.env["OP_PIPE_CACHE_DIR"]
  return given ? path.resolve(given) : path.join(userFolder("XDG_CACHE_HOME", ".cache"), "op-pipe")
}

/** The name of a file for a step: that of a branch may be longer than a file's. */
const fileOf = (stepId: string): string => {
  const name = encodeURIComponent(stepId)
  return name.length <= longestFile ? name : `${name.slice(0, 80)}+${Digest.ofText(stepId)}`
}
const longestFile = 240

export const make = (store: string, { pipeline = "", mayMake = true }: Purpose = {}): Layout => {
  const root = path.join(path.resolve(store), "v1")
  const below = (...parts: ReadonlyArray<string>): string => `${root}${path.sep}${parts.join(path.sep)}`
  // four a step: to join parts takes a hundredth of a run with nothing to do
  const inBlobs = path.join(root, "blobs", path.sep)
  const inResults = path.join(root, "results", path.sep)
  // no step's name begins so
  const ofPipeline = pipeline === "" ? [] : [`@${encodeURIComponent(pipeline)}`]
  return {
    root,
    pipeline,
    mayMake,
    blob: (digest) => `${inBlobs}${digest.slice(0, 2)}${path.sep}${digest}`,
    result: (name) => `${inResults}${name.slice(0, 2)}${path.sep}${name}.json`,
    lastResults: path.join(root, "last"),
    lastResult: (stepId) => below("last", ...ofPipeline, fileOf(stepId)),
    runs: path.join(root, "runs"),
    pins: path.join(root, "pins.json"),
    blobs: path.join(root, "blobs"),
    results: path.join(root, "results"),
    run: (runId) => path.join(root, "runs", `${runId}.json`),
    memo: (name) => path.join(root, "memo", name),
    sources: path.join(root, "memo", "sources"),
    source: (digest) => below("memo", "sources", digest),
    checkpoints: path.join(root, "checkpoints"),
    checkpoint: (key) => path.join(root, "checkpoints", key),
    temporary: path.join(root, "tmp"),
    jobs: path.join(root, "jobs"),
    job: (key) => path.join(root, "jobs", key),
    lease: (name) => below("leases", name),
    leases: path.join(root, "leases"),
    logs: path.join(root, "logs"),
    log: (runId, stepId) => below("logs", runId, `${fileOf(stepId)}.txt`),
    work: path.join(root, "work"),
    toolchains: userCache(),
    toolchain: (name) => path.join(userCache(), name)
  }
}
