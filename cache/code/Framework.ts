/**
 * Framework: which modules and packages are op-pipe itself.
 *
 * A stage's code identity does not follow op-pipe's own modules: how they run a stage is in its key as a format tag, so
 * an upgrade of op-pipe, or an edit of it in a checkout, reruns nothing unless it changes what a stage computes.
 * Whoever changes that raises the tag.
 */
import * as path from "node:path"
import { fileURLToPath } from "node:url"

/** The package's name. */
export const packageName = "op-pipe"

/** A package that it shares with the project, which may find it through op-pipe alone. */
export const peer = "effect"

/** How a module's stage is run. Raise it when the same stage with the same inputs would give another result. */
export const stageFormat = "Stage/v1"

/** The folder of the package or the checkout; in a package, this module is below its `dist/`. */
export const root = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../../" : "../../../", import.meta.url))

/** The folders that hold its modules, in a checkout as sources and, once it is built, also below `dist/`. */
export const folders: ReadonlyArray<string> = [root, path.join(root, "dist")].flatMap((folder) =>
  ["cache", "core", "cli"].map((name) => path.join(folder, name) + path.sep)
)

const anyCopy = /[\\/]node_modules[\\/]op-pipe[\\/](?!.*[\\/]node_modules[\\/])/u

/** True of a module of op-pipe's, of this copy or of another one, by its path without links. */
export const isFramework = (file: string): boolean =>
  folders.some((folder) => file.startsWith(folder)) || anyCopy.test(file)
