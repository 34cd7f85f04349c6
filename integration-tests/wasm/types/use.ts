// Compiles, or fails to where it says so: the types of the package, by `tsc` alone.

import { IndexedDbStore, LightClient, isWeirError, load, TrustedState, verifyFile } from "weir";
const client = await LightClient.start({ url: "http://127.0.0.1:9400", checkpoint: "00", store: new IndexedDbStore() });
const { head, hops } = await client.sync((p) => console.log(p.epoch_counter));
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
// @ts-expect-error no such call
client.verify();
console.log(head, hops, phase, w, id, f, c);
