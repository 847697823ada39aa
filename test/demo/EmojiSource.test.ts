/** What of the folder of images counts: what lies in it but documents beside the classes, and what systems leave behind. */
import { expect, it } from "vitest"
import { images } from "../../demo/EmojiSource.ts"

it.each([
  "001.Black_footed_Albatross",
  "001.Black_footed_Albatross/a.jpg",
  "St. Bernard",
  "v1.0",
  "stray.png",
  "cats/notes.txt",
  "cats/.hidden.png"
])("%s counts", (relative) => expect(images.ignore(relative)).toBe(false))

it.each(["README.md", "labels.csv", "set.JSON", ".DS_Store", "cats/.DS_Store", "cats/Thumbs.db", "__MACOSX"])(
  "%s does not",
  (relative) => expect(images.ignore(relative)).toBe(true)
)
