/** The account: who one is, where one is signed in, which programs act for one. */
import type { Me } from "@atelier/sdk";
import { Link } from "../app/router";
import { Avatar } from "../ui/parts";
import { Sessions } from "./Sessions";
import { Shell } from "./Shell";
import { Tokens } from "./Tokens";

export function AccountPage({ me }: { me: Me }) {
  return (
    <Shell me={me}>
      <nav className="crumbs" aria-label="Where you are">
        <Link href="/">Projects</Link>
      </nav>
      <div className="narrow">
        <header className="page-head account-head">
          <Avatar name={me.name || me.email} colour={me.colour} />
          <div>
            <h1>{me.name || me.email}</h1>
            {me.name !== "" && <p className="quiet">{me.email}</p>}
          </div>
        </header>
        <Sessions email={me.email} />
        <Tokens me={me} />
      </div>
    </Shell>
  );
}
