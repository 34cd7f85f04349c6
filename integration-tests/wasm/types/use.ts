// Compiles, or fails to where it says so: the types of the package, by `tsc` alone.

import { IndexedDbStore, LightClient, isWeirError, load } from "weir";
import { TrustedState, verifyFile } from "weir/verifier";
const client = await LightClient.start({ url: "http://127.0.0.1:9400", checkpoint: "00", store: new IndexedDbStore() });
const { head, hops, servers } = await client.sync((p) => console.log(p.epoch_counter), { signal: new AbortController().signal });
const several = await LightClient.start({ servers: ["http://127.0.0.1:9400#00"], checkpoint: "00", keepEvidence: true, state: client.exportState() });
const file: Uint8Array = (await several.prove({ block: "latest_finalized", topic: "seal" })).evidence;
const lag: number | bigint | null = servers[0]!.lag;
const lied: string | undefined = client.report.lies[0]?.fault;
const root: string = (await client.askTree(["table", { role: "access" }])).root;
for await (const event of client.watch({ level: "sealed", kinds: ["epoch"], after: "5:ab:1" })) {
  if (event.event === "epoch") console.log(event.epoch_phase, event.before.epoch_phase, event.cursor);
  // @ts-expect-error no such field of this kind
  if (event.event === "version") console.log(event.node_id);
}
console.log(file, lag, lied, root);
const epoch = await client.epoch({ height: 5n });
const phase: string = epoch.epoch_phase;
const nodes = await client.identities({ roles: ["consensus"] });
const w: number | bigint = nodes.identities[0]!.initial_weight;
const s = await client.ask({ block: "latest_finalized", topic: "seal" });
const id: string = s.seal_id;
const e = await client.ask({ block: { id: "ab" }, topic: "snapshot" }, { view: "status" });
const f: boolean = e.finalized;
const ev = await client.ask({ block: { id: "ab" }, topic: { epoch: "next" } });
const c: string | null = ev.commit_id;
try { await load(); } catch (error) { if (isWeirError(error)) { const k: "invalid" | string = error.kind; console.log(k, error.rule); } }
const t = TrustedState.fromBytes(new Uint8Array());
t.applyHops(new Uint8Array(), 5);
t.verify({ block: "latest_sealed", topic: "snapshot" }, new Uint8Array(), { now_ms: 5 }, "epoch").views_left;
verifyFile("", new Uint8Array(), Date.now());
// @ts-expect-error no such role
client.identities({ roles: ["king"] });
// @ts-expect-error no such kind
client.watch({ kinds: ["moon"] });
// @ts-expect-error no such call
client.verify();
console.log(head, hops, phase, w, id, f, c);
