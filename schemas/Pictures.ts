/**
 * The data root: `<root>/<class>/**` + `/<picture>`, one folder per class, anything below it.
 *
 * The only artifact that no stage makes: it comes from a source (the user's folder, or the demo set).
 */
import { Artifact } from "../core/index.ts"

export const Pictures = Artifact.folder({ tag: "Pictures/v1", path: "." })
