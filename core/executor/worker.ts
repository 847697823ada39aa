/** worker: the process of a step, from the sources, for when no bundle of its stage can be made (see ProcessExecutor). */
import { hash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createRequire, registerHooks } from "node:module"
import { fileURLToPath } from "node:url"
import * as FrameworkFiles from "./FrameworkFiles.ts"
import { serve } from "./TaskWorker.ts"

/** Notes the source of each module of the project when it is loaded: what ran is what was read then, whatever happens to the file. */
const noteLoaded = (): Record<string, string> => {
  const loaded: Record<string, string> = {}
  registerHooks({
    load: (url, context, nextLoad) => {
      if (!url.startsWith("file:") || url.includes("/node_modules/")) return nextLoad(url, context)
      const file = fileURLToPath(url)
      const before = hash("sha256", readFileSync(file), "hex")
      const module = nextLoad(url, context)
      // Edited in this very instant: then it is not known which of the two was loaded.
      loaded[file] = hash("sha256", readFileSync(file), "hex") === before ? before : "changed while it was loaded"
      return module
    }
  })
  return loaded
}

/** What `core/start/sources.cjs` exports. */
interface Sources {
  readonly register: () => void
}

const sources = createRequire(import.meta.url)(FrameworkFiles.startFile("sources.cjs")) as Sources
sources.register()
serve({ load: (source) => import(source), loaded: noteLoaded() })
