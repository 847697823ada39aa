/** Every verb but `run`, in the order of the help, and the whole platform. */

import * as NodeChildProcessSpawner from "@effect/platform-node-shared/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as NodeStdio from "@effect/platform-node-shared/NodeStdio"
import * as NodeTerminal from "@effect/platform-node-shared/NodeTerminal"
import * as Layer from "effect/Layer"
import type { Additions } from "../Project.ts"
import { cache } from "./cache.ts"
import { dag } from "./dag.ts"
import { doctor } from "./doctor.ts"
import { diff, history, pin, restore, show, unpin } from "./history.ts"
import { init } from "./init.ts"
import { status, why } from "./status.ts"

export const rest = (additions: Additions) => [
  init,
  status(additions),
  why(additions),
  dag(additions),
  history,
  show,
  diff,
  restore,
  pin,
  unpin,
  cache,
  doctor
]

export const platform = Layer.provideMerge(
  NodeChildProcessSpawner.layer,
  Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeStdio.layer, NodeTerminal.layer)
)
