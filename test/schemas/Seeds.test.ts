import { Seeds } from "../../schemas/Seeds.ts"
import { schemaLaws } from "./laws.ts"

schemaLaws("Seeds", Seeds, { runs: 15 })
