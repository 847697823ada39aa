/** Where: what is asked of the place where steps are done, and what came of it. */
import type * as Layer from "effect/Layer"
import type { Disk } from "../../cache/store/Disk.ts"
import type { Store } from "../../cache/store/Store.ts"
import type { Executor } from "../../core/executor/Executor.ts"
import type { Project } from "../Project.ts"

export interface OnFlags {
  readonly on: string | undefined
  readonly jobs: number | undefined
  readonly detach: boolean
}

export interface Where {
  readonly executor: (project: Project) => Layer.Layer<Executor, never, Disk | Store>
  /** How many cores the run may use; undefined of all that there are here. */
  readonly cores: number | undefined
  /** How many jobs there may be at a time; undefined where steps are done here. */
  readonly jobs: number | undefined
}
