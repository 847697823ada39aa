/**
 * The data root: `<root>/<class>/**` + `/<image>`, one folder per class, anything below it.
 *
 * The only artifact that no stage makes: it comes from a source (the user's folder, or the demo set).
 */
import { Artifact } from "../core/index.ts"

export const Images = Artifact.folder({ tag: "Pictures/v1", path: "." })
