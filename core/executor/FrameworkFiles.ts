/** FrameworkFiles: where op-pipe's own files are, in a checkout (TypeScript) and in the package (JavaScript under `dist/`). */
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const isSource = import.meta.url.endsWith(".ts")

/** `core/` of the checkout or of `dist/`. */
const core = fileURLToPath(new URL("..", import.meta.url))

/** The start's plain JavaScript. The package has it once, outside of `dist/`. */
const start = fileURLToPath(new URL(isSource ? "../start/" : "../../../core/start/", import.meta.url))

/** A file of `core/start`. */
export const startFile = (name: string): string => path.join(start, name)

/** A file that a step behind walls finds in place of one of the machine's own in `/etc`. The package has them where the checkout has them. */
export const etcFile = (name: string): string => path.join(start, "../executor/walls/etc", name)

/** A module of this folder, by its name without an extension. */
export const beside = (name: string): string => path.join(core, "executor", `${name}.${isSource ? "ts" : "js"}`)
