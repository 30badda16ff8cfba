/** Short names for the API's schemas. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Role = Schemas["Role"];
export type Person = Schemas["PersonOut"];
export type WorkspaceMembership = Schemas["MyWorkspaceOut"];
export type Me = Schemas["MeOut"];
export type Member = Schemas["MemberOut"];
export type Project = Schemas["ProjectOut"];
export type Document = Schemas["DocumentOut"];
export type Asset = Schemas["AssetOut"];
export type UploadKind = Schemas["UploadIn"]["media_type"];
export type Rendition = Schemas["RenditionOut"];
export type Lineage = Schemas["LineageOut"];
export type Job = Schemas["JobOut"];
export type Task = Schemas["TaskOut"];
export type TaskName = Task["name"];
export type Recipe = Schemas["RecipeOut"];
export type RecipeVersion = Schemas["RecipeVersionOut"];
export type RecipeStep = Schemas["StepOut"];
export type StepMade = Schemas["LineageStepOut"];
export type Account = Schemas["AccountOut"];
export type Budget = Schemas["BudgetOut"];
export type Model = Schemas["ModelOut"];
export type ModelVersion = Schemas["ModelVersionOut"];
export type JobState = Schemas["State"];
export type Lane = Schemas["Lane"];
export type ToolAct = Schemas["ActIn"]["tool"];
export type Suggestion = Schemas["SuggestionOut"];
export type Session = Schemas["SessionOut"];
export type Token = Schemas["TokenOut"];
export type TokenMade = Schemas["TokenMadeOut"];
export type Invitation = Schemas["InvitationOut"];
export type InvitationLetter = Schemas["LetterOut"];
export type InvitationFound = Schemas["FoundOut"];
