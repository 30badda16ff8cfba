/** Hides the calls about recipes. */
import { type Lane, type RecipeStep, unwrap } from "@atelier/sdk";
import { api } from "./api";

const V1 = "/api/v1";
type Id = string;

export interface RecipeBody {
  name: string;
  steps: RecipeStep[];
}

const LISTED = 20;

/** What is sent is as what is read, but for the tasks' names: the API's types know only those of this release. */
const sent = (body: RecipeBody) => body as never;
const match = (version: number) => ({ "If-Match": `"${version}"` });

export const listRecipes = (workspace_id: Id, ask: { q?: string; cursor?: string } = {}) =>
  unwrap(
    api.GET(`${V1}/workspaces/{workspace_id}/recipes`, { params: { path: { workspace_id }, query: { limit: LISTED, sort: "name", ...ask } } }),
  );

export const getRecipe = (recipe_id: Id) => unwrap(api.GET(`${V1}/recipes/{recipe_id}`, { params: { path: { recipe_id } } }));

export const createRecipe = (workspace_id: Id, body: RecipeBody, idempotencyKey: string) =>
  unwrap(
    api.POST(`${V1}/workspaces/{workspace_id}/recipes`, {
      params: { path: { workspace_id }, header: { "Idempotency-Key": idempotencyKey } },
      body: sent(body),
    }),
  );

/** `version`: the one that was changed. Refused with 412 if there is a newer one. */
export const changeRecipe = (recipe_id: Id, version: number, body: RecipeBody) =>
  unwrap(api.PATCH(`${V1}/recipes/{recipe_id}`, { params: { path: { recipe_id }, header: match(version) }, body: sent(body) }));

/** As `changeRecipe`. */
export const deleteRecipe = (recipe_id: Id, version: number) =>
  unwrap(api.DELETE(`${V1}/recipes/{recipe_id}`, { params: { path: { recipe_id }, header: match(version) } }));

export const listVersions = (recipe_id: Id, ask: { limit?: number; cursor?: string } = {}) =>
  unwrap(api.GET(`${V1}/recipes/{recipe_id}/versions`, { params: { path: { recipe_id }, query: { limit: LISTED, ...ask } } }));

export const runRecipe = (
  recipe_id: Id,
  order: { input_asset_id: Id; document_id: Id; element_id: string; lane?: Lane },
  idempotencyKey: string,
) =>
  unwrap(
    api.POST(`${V1}/recipes/{recipe_id}/run`, {
      params: { path: { recipe_id }, header: { "Idempotency-Key": idempotencyKey } },
      body: order,
    }),
  );
