#!/usr/bin/env python3
"""Model checker for Counterpart's agreement rules (no coordinator, N parties, signed hash-chained feeds).

A feed is a hash chain: here an interned prefix id stands for the hash of "this entry and all before it".
Every entry carries its FRONT: for each party, the prefix of that party's feed which the author held when it
signed. So an entry's causal past is fixed for ever and is the same wherever the entry is read.

Rule set "receipt" (the recommended one):
  R1 one word      a party's latest word on a proposal p is FOR (propose / accept), LEFT or NO; LEFT and NO are final.
  R2 one stand     proposing or accepting p leaves every other open proposal that changes the same (item, base).
  R3 judged where signed   whether an entry has effect is decided on its own causal past, never on arrival state.
  R4 receipt seals p is AGREED by the first entry e of p's PROPOSER in whose causal past every required party is
                   FOR p and every base of p is still the head of its item. (Any entry will do: a bare receipt is enough.)
                   Nothing is shown as agreed before such an entry is written.
  R5 heads         an item's head is its agreed revision that no other agreed revision is based on.
  R9 forks         two entries of one party at one position: an entry is contested exactly if its causal past holds two
                   branches, or any entry at or after the first differing index. Contested entries have no effect.
Mutants switch single rules off to show that each is needed and that the checker can find a violation at all.

usage: agreement_model.py [quick|full]
       agreement_model.py emit --parties N --runs R --seed S [--forks]     random histories with their answers (see emit)
"""
import argparse, random, sys, time

# ------------------------------------------------------------------ content-addressed feeds
PARENT, ENTRY, LEN = [None], [None], [0]          # prefix id -> parent prefix, last entry, length ; id 0 = empty feed
_INTERN = {}

def append(prefix, entry):
    key = (prefix, entry)
    n = _INTERN.get(key)
    if n is None:
        n = len(PARENT); _INTERN[key] = n
        PARENT.append(prefix); ENTRY.append(entry); LEN.append(LEN[prefix] + 1)
    return n

def fresh():                                        # forget all feeds: every run below starts from nothing
    del PARENT[1:], ENTRY[1:], LEN[1:]; _INTERN.clear(); _CHG.clear(); _PAST.clear(); _PAST[0] = 0; _CNT.clear(); _CNT[0] = (0, 0)

def holds(prefix, node):                           # is `node` on the chain that ends at `prefix`?
    while LEN[prefix] > LEN[node]:
        prefix = PARENT[prefix]
    return prefix == node

# entry = (author, kind, ref, front) ; front = tuple of prefix ids
# kind: propose|firm|accept|withdraw|decline on proposals, state|acknowledge|dispute|withdraw on statements, ack (a bare entry)
# a proposal's id is the prefix id of its propose entry ; ref of a propose = tuple of (item, base proposal id or 0)
# an item is a string (there from the start), a number k (the k-th item the entry itself creates), or elsewhere (creator, k)
_CHG, _PAST = {}, {0: 0}
def author(p): return ENTRY[p][0]
def changes(p):                                    # of a propose or a state, items by their full name
    r = _CHG.get(p)
    if r is None: r = _CHG[p] = tuple(((p, i) if isinstance(i, int) else i, b) for i, b in ENTRY[p][2])
    return r
def conflict(p, q): return p != q and bool(set(changes(p)) & set(changes(q)))

def creates(i): return any(i == j for j, _ in changes(i[0]))
def named_twice(p): return len({i for i, _ in changes(p)}) < len(changes(p))

class Rules:
    """The specification: pure functions of causal pasts. `mode` picks the rule set."""
    def __init__(self, n, mode="receipt"):
        self.n, self.mode = n, mode
        self._st, self._sa, self._se, self._ag, self._hd = {0: {}}, {0: {}}, {0: frozenset()}, {}, {}

    def required(self, p):
        return {author(p), 0 if author(p) == 1 else 1} if self.mode == "subset" else range(self.n)
    def firm(self, p): return ENTRY[p][1] == "firm"
    def dead(self, p, K): return any(self.stance(K[x]).get(p) == "no" for x in range(self.n))

    def stance(self, pre):                          # {proposal: 'for'|'left'|'no'} at the end of one feed prefix
        r = self._st.get(pre)
        if r is not None: return r
        a, kind, ref, V = ENTRY[pre]
        cur = self.stance(PARENT[pre])
        new = dict(cur)
        if kind in ("propose", "firm"):
            if not named_twice(pre) and self.items_exist(pre) and self.bases_ok(pre, V, a) and not self.bound(cur, pre, V):
                self._leave(new, pre, V, a); new[pre] = "for"
        elif kind == "accept":
            q = author(ref)
            if a in self.required(ref) and not self.bound(cur, ref, V) and (a != q or self.mode == "restand") and holds(V[q], ref) and self.valid(ref) \
               and self.may_speak(cur, ref) and self.bases_ok(ref, V, a) \
               and (a == q or self.stance(V[q]).get(ref) == "for") \
               and not any(self.stance(V[x]).get(ref) == "no" for x in range(self.n)):
                self._leave(new, ref, V, a); new[ref] = "for"
        elif kind == "withdraw":
            if cur.get(ref) == "for" and ref not in self.agreed(V, a) and (not self.firm(ref) or self.dead(ref, V)): new[ref] = "left"
        elif kind == "decline":
            if a != author(ref) and holds(V[author(ref)], ref) and self.valid(ref) and ref not in cur \
               and ref not in self.agreed(V, a): new[ref] = "no"
        self._st[pre] = new
        return new

    def said(self, pre):                            # {statement: 'stated'|'acknowledged'|'disputed'|'none'} at the end of one feed prefix
        r = self._sa.get(pre)
        if r is not None: return r
        a, kind, ref, V = ENTRY[pre]
        new = self.said(PARENT[pre])
        if kind == "state":
            if self.items_exist(pre): new = {**new, pre: "stated"}
        elif kind in ("acknowledge", "dispute"):
            if a != author(ref) and self.stated(ref, V): new = {**new, ref: "acknowledged" if kind == "acknowledge" else "disputed"}
        elif kind == "withdraw":
            if new.get(ref) == "disputed": new = {**new, ref: "none"}
        self._sa[pre] = new
        return new

    def stated(self, s, V): return holds(V[author(s)], s) and self.said(s).get(s) == "stated"
    def items_exist(self, pre):                     # created here, or by an entry with effect in the past
        V = ENTRY[pre][3]
        return all(isinstance(i, str) or i[0] == pre or holds(V[author(i[0])], i[0]) and (self.valid(i[0]) or self.stated(i[0], V)) and creates(i)
                   for i, _ in changes(pre))

    def reason(self, pre):                          # why an entry has no effect, "" when it has: stance() and said() in words
        a, kind, ref, V = ENTRY[pre]; cur = self.stance(PARENT[pre])
        if kind in ("propose", "state"):
            if kind == "propose" and named_twice(pre): return "item twice"
            if not self.items_exist(pre): return "not known"
            if kind == "propose" and not self.bases_ok(pre, V, a): return "base moved"
        elif kind in ("accept", "decline"):
            if not (holds(V[author(ref)], ref) and self.valid(ref)): return "not known"
            if a == author(ref): return "own"
            if ref in cur: return "already spoke"
            if kind == "decline": return "too late" if ref in self.agreed(V, a) else ""
            if self.stance(V[author(ref)]).get(ref) == "left": return "proposer left"
            if self.dead(ref, V): return "declined"
            if not self.bases_ok(ref, V, a): return "base moved"
        elif kind in ("acknowledge", "dispute"):
            if not self.stated(ref, V): return "not known"
            if a == author(ref): return "own"
        elif kind == "withdraw":
            if holds(V[author(ref)], ref) and self.valid(ref):
                if cur.get(ref) != "for": return "not for"
                return "too late" if ref in self.agreed(V, a) else ""
            if not self.stated(ref, V): return "not known"
            if self.said(PARENT[pre]).get(ref) != "disputed": return "not for"
        return ""

    def standing(self, p, K, us):                   # how p stands for a person of party `us`, holding K
        words = [self.stance(K[x]).get(p) for x in range(self.n)]; pa = author(p); ag = self.agreed(K)
        if p in ag: return "agreed"
        if "no" in words: return "declined"
        if any(conflict(p, q) for q in ag): return "overtaken"
        if words[pa] == "left" and any(conflict(p, q) and self.stance(K[pa]).get(q) and author(q) != pa and words[author(q)] == "for"
                                       for q in self.proposals(K)): return "crossed"
        if words[pa] == "left": return "withdrawn"
        if words[us] == "left": return "we took back"
        if "left" in words: return "taken back"
        return "receipt awaited" if all(w == "for" for w in words) else "offered"

    def bound(self, cur, p, V):                     # held by a firm offer on the same base that nobody has declined
        return any(s == "for" and self.firm(q) and conflict(p, q) and not self.dead(q, V) for q, s in cur.items())

    def may_speak(self, cur, p):
        if self.mode == "restand": return cur.get(p) in (None, "left")
        return p not in cur

    def _leave(self, st, p, V, a):
        if self.mode == "nostand": return
        ag = self.agreed(V, a)
        for q, s in list(st.items()):
            if s == "for" and q not in ag and conflict(p, q): st[q] = "left"

    def valid(self, p): return p in self.stance(p)
    def all_for(self, p, K): return all(self.stance(K[x]).get(p) == "for" for x in self.required(p))

    def bases_ok(self, p, K, viewer):
        hd = self.heads(K, viewer)
        return all(hd.get(i, (0,)) == (b,) for i, b in changes(p))

    def seals(self, pre):                           # proposals sealed by this author's own feed up to here
        r = self._se.get(pre)
        if r is not None: return r
        out = set(self.seals(PARENT[pre]))
        a, _, _, V = ENTRY[pre]
        out |= self.by_receipt(a, V)
        r = self._se[pre] = frozenset(out)
        return r

    def by_receipt(self, a, V):                     # what `a` holding exactly V thereby seals
        base = self.agreed(V)
        return {p for p, s in self.stance(V[a]).items() if s == "for" and author(p) == a and p not in base
                and self.all_for(p, V) and self.bases_ok(p, V, None)}

    def shown(self, i, K):                          # what node i's screen shows as agreed
        return self.agreed(K, i if self.mode == "unwritten" else None)

    def agreed(self, K, viewer=None):
        key = (K, viewer); r = self._ag.get(key)
        if r is not None: return r
        if self.mode == "postal":                   # agreed once every non-proposer has validly accepted
            r = {p for p in self.proposals(K) if all(self.stance(K[x]).get(p) == "for" for x in range(self.n) if x != author(p))}
        elif self.mode == "setwise":                # agreed iff everybody is FOR in what I happen to hold (redact beats accept)
            r = {p for p in self.proposals(K) if self.all_for(p, K)}
        else:
            r = set().union(*(self.seals(K[x]) for x in range(self.n)))
            r |= {p for p in self.proposals(K) if self.firm(p) and self.all_for(p, K)}   # firm: nobody can leave, so no receipt is needed
            if viewer is not None: r |= self.by_receipt(viewer, K)
        r = self._ag[key] = frozenset(r)
        return r

    def proposals(self, K):
        out = []
        for x in range(self.n):
            pre = K[x]
            while pre:
                if ENTRY[pre][1] in ("propose", "firm") and self.valid(pre): out.append(pre)
                pre = PARENT[pre]
        return out

    def heads(self, K, viewer=None):                # item -> tuple of heads (more than one = the record has split)
        key = (K, viewer); r = self._hd.get(key)
        if r is not None: return r
        ag = self.agreed(K, viewer); rev, sup = {}, set()
        for p in ag:
            for i, b in changes(p): rev.setdefault(i, set()).add(p); sup.add((i, b))
        r = self._hd[key] = {i: tuple(sorted(p for p in ps if (i, p) not in sup)) for i, ps in rev.items()}
        return r

# ------------------------------------------------------------------ the incremental engine a node would really run
class Engine:
    """Tables + as-of queries, fed entries in whatever order they arrive (causal past first). Compared with Rules."""
    def __init__(self, n, judge="past"):
        self.n, self.judge = n, judge
        self.k = [0] * n; self.pre = [0] * n
        self.prop, self.word, self.seal = {}, {}, {}    # p -> (a,seq) ; (x,p) -> [from,to,kind] ; p -> (author,seq)
        self.stated, self.said = {}, {}                 # s -> (a,seq) ; (x,s) -> latest word on a statement

    def _for(self, x, p, V):
        w = self.word.get((x, p))
        return bool(w) and w[2] == "for" and w[0] < V[x] and not (w[1] is not None and w[1] < V[x])
    def _spoken(self, x, p, V): return (x, p) in self.word and self.word[(x, p)][0] < V[x]
    def _no(self, x, p, V): w = self.word.get((x, p)); return bool(w) and w[2] == "no" and w[0] < V[x]
    def _all(self, p, V): return all(self._for(x, p, V) for x in range(self.n))
    def _agreed(self, V, viewer):
        ag = {p for p, (a, s) in self.seal.items() if s < V[a]}
        if viewer is not None:
            ag |= {p for p, (a, s) in self.prop.items() if a == viewer and s < V[a] and p not in ag and self._all(p, V) and self._base(p, V, None)}
        return ag
    def _heads(self, V, viewer):
        ag = self._agreed(V, viewer); sup = {c for p in ag for c in changes(p)}; h = {}
        for p in ag:
            for i, _ in changes(p):
                if (i, p) not in sup: h.setdefault(i, set()).add(p)
        return h
    def _base(self, p, V, viewer):
        h = self._heads(V, viewer); return all(h.get(i, {0}) == {b} for i, b in changes(p))
    def _leave(self, a, p, V, seq):
        ag = self._agreed(V, a)
        for q in list(self.prop):
            if q not in ag and conflict(p, q) and self._for(a, q, V): self.word[(a, q)][1] = seq

    def _past(self, table, p, V): return p in table and table[p][1] < V[table[p][0]]
    def _items(self, pre, V):
        return all(isinstance(i, str) or i[0] == pre or (self._past(self.prop, i[0], V) or self._past(self.stated, i[0], V)) and creates(i)
                   for i, _ in changes(pre))

    def ingest(self, pre):
        a, kind, ref, F = ENTRY[pre]; seq = LEN[pre] - 1
        assert self.pre[a] == PARENT[pre]
        V = tuple(LEN[x] for x in F)
        assert all(V[x] <= self.k[x] for x in range(self.n))
        J = V if self.judge == "past" else tuple(self.k)    # the "arrival" mutant judges by what happens to be here
        for p, (pa, s) in list(self.prop.items()):          # R4: this entry is a receipt
            if pa == a and p not in self.seal and s < V[a] and self._all(p, V) and self._base(p, V, None): self.seal[p] = (a, seq)
        if kind == "propose":
            if not named_twice(pre) and self._items(pre, J) and self._base(pre, J, a):
                self._leave(a, pre, J, seq); self.prop[pre] = (a, seq); self.word[(a, pre)] = [seq, None, "for"]
        elif kind == "accept":
            if ref in self.prop and a != self.prop[ref][0] and not self._spoken(a, ref, J) and self._base(ref, J, a) \
               and self._for(self.prop[ref][0], ref, J) and not any(self._no(x, ref, J) for x in range(self.n)):
                self._leave(a, ref, J, seq); self.word[(a, ref)] = [seq, None, "for"]
        elif kind == "withdraw":
            if self._for(a, ref, J) and ref not in self._agreed(J, a): self.word[(a, ref)][1] = seq
            elif self.said.get((a, ref)) == "disputed": self.said[(a, ref)] = "none"
        elif kind == "decline":
            if self._past(self.prop, ref, J) and a != self.prop[ref][0] and not self._spoken(a, ref, J) and ref not in self._agreed(J, a):
                self.word[(a, ref)] = [seq, None, "no"]
        elif kind == "state":
            if self._items(pre, J): self.stated[pre] = (a, seq); self.said[(a, pre)] = "stated"
        elif kind in ("acknowledge", "dispute"):
            if self._past(self.stated, ref, J) and a != self.stated[ref][0]: self.said[(a, ref)] = "acknowledged" if kind == "acknowledge" else "disputed"
        self.k[a] += 1; self.pre[a] = pre
    def state(self): return frozenset(self._agreed(tuple(self.k), None))
    def words(self):                                    # every word as it ends, on proposals and on statements
        return {k: w[2] if w[1] is None else "left" for k, w in self.word.items()} | self.said

# ------------------------------------------------------------------ the world: nodes that act and sync
class World:
    """feeds[x] = x's own head; K[i][x] = the prefix of x's feed that node i holds."""
    def __init__(self, rules, items=("x",), bundles=False):
        self.R, self.n = rules, rules.n
        self.sets = [(i,) for i in items] + ([tuple(items)] if bundles and len(items) > 1 else [])
    def start(self): return tuple(tuple(0 for _ in range(self.n)) for _ in range(self.n))

    def moves(self, S, caps):
        R = self.R
        for i in range(self.n):
            K = S[i]; own = K[i]; st = R.stance(own)
            for x in range(self.n):                 # pull the next entry of feed x from any peer that has it
                if x == i: continue
                far = max((S[j][x] for j in range(self.n)), key=lambda p: LEN[p])
                if LEN[far] > LEN[K[x]]:
                    nxt = far
                    while PARENT[nxt] != K[x]: nxt = PARENT[nxt]
                    F = ENTRY[nxt][3]
                    if all(LEN[K[y]] >= LEN[F[y]] for y in range(self.n)): yield ("pull", i, nxt)
            acts, props = count(own)
            if own == 0 or ENTRY[own][3] != K[:i] + (PARENT[own],) + K[i+1:]:
                if LEN[own] - acts < caps["acks"]: yield ("ack", i, None)
            if acts >= caps["acts"]: continue
            hd = R.heads(K, i); ag = R.agreed(K, i)
            if props < caps["props"]:
                for s in self.sets:
                    if all(len(hd.get(t, (0,))) == 1 for t in s):
                        for k in caps.get("kinds", ("propose",)): yield (k, i, tuple((t, hd.get(t, (0,))[0]) for t in s))
            for p in R.proposals(K):
                if p in ag: continue
                if author(p) != i or R.mode == "restand":
                    if R.may_speak(st, p): yield ("accept", i, p)
                if author(p) != i and p not in st and caps.get("decline", True): yield ("decline", i, p)
                if st.get(p) == "for" and caps.get("withdraw", True): yield ("withdraw", i, p)

    def step(self, S, mv):
        kind, i, ref = mv; K = S[i]
        if kind == "pull":
            K = K[:ENTRY[ref][0]] + (ref,) + K[ENTRY[ref][0]+1:]
        else:
            K = K[:i] + (append(K[i], (i, kind, ref, K)),) + K[i+1:]
        return S[:i] + (K,) + S[i+1:]

_CNT = {0: (0, 0)}
def count(pre):
    r = _CNT.get(pre)
    if r is None:
        a, p = count(PARENT[pre]); k = ENTRY[pre][1]
        r = _CNT[pre] = (a + (k != "ack"), p + (k in ("propose", "firm")))
    return r

class Bad(Exception): pass

def union(S, n): return tuple(S[x][x] for x in range(n))

def check(R, S, before, i):
    """invariants after node i moved; `before` is i's knowledge before the move"""
    K = S[i]
    was, now = R.shown(i, before), R.shown(i, K)
    if not was <= now: raise Bad("VANISHED: node %s saw %s agreed, now it does not" % ("ABCDE"[i], names(was - now)))
    allk = union(S, R.n)
    for view, who in ((K, "ABCDE"[i]), (allk, "everybody")):
        for item, h in R.heads(view).items():
            if len(h) > 1: raise Bad("SPLIT: %s sees two agreed heads of %s: %s" % (who, item, names(h)))
    glob = R.agreed(allk)
    if not R.shown(i, K) <= glob and R.mode != "unwritten": raise Bad("VANISHED: agreed at %s but not in the union of all entries" % "ABCDE"[i])
    for p in glob:
        for x in R.required(p):
            if not ever_for(R, allk[x], p): raise Bad("UNSIGNED: %s agreed although %s never signed for it" % (nm(p), "ABCDE"[x]))
        if R.mode != "postal" and R.stance(allk[author(p)]).get(p) == "left": raise Bad("WITHDRAWN YET AGREED: %s" % nm(p))

def ever_for(R, pre, p):
    while pre:
        if R.stance(pre).get(p) == "for": return True
        pre = PARENT[pre]
    return False

def nm(p):
    a, props = author(p), count(p)[1]
    return "%s%d" % ("pqrst"[a], props)
def names(ps): return "{" + ",".join(sorted(nm(p) for p in ps)) + "}"
def show(mv):
    k, i, r = mv; w = "ABCDE"[i]
    if k == "pull": return "%s receives %s's %s" % (w, "ABCDE"[ENTRY[r][0]], describe(r))
    if k in ("propose", "firm"): return "%s %s on %s" % (w, "proposes" if k == "propose" else "makes a FIRM offer", "+".join(t + ("@" + nm(b) if b else "@start") for t, b in r))
    return "%s %s %s" % (w, k + "s", nm(r) if r else "")
def describe(pre):
    a, k, r, _ = ENTRY[pre]
    return k + (" " + nm(pre) if k in ("propose", "firm") else " " + nm(r) if r and k != "state" else "")

def exhaustive(n, mode, caps, limit, items=("x",), bundles=False, seconds=1e9):
    """breadth first, so a run that hits its limit has still visited every schedule up to the depth it reports"""
    fresh(); R = Rules(n, mode); W = World(R, items, bundles); s0 = W.start()
    seen = {s0: None}; level = [s0]; steps = depth = 0; t0 = time.time()
    while level:
        nxt = []
        for S in level:
            for mv in W.moves(S, caps):
                T = W.step(S, mv); steps += 1
                try: check(R, T, S[mv[1]], mv[1])
                except Bad as e:
                    path = [mv]; s = S
                    while seen[s] is not None: s, m = seen[s]; path.append(m)
                    return ("FOUND", str(e), [show(m) for m in reversed(path)], len(seen), steps)
                if T not in seen:
                    seen[T] = (S, mv); nxt.append(T)
            if len(seen) > limit or time.time() - t0 > seconds:
                return ("LIMIT", "no violation; every schedule of up to %d steps visited" % depth, [], len(seen), steps)
        level = nxt; depth += 1
    return ("CLEAN", "no violation; all states visited, longest schedule %d steps" % (depth - 1), [], len(seen), steps)

def wedge_free(R, W, S):
    """full sync, then one party proposes and the rest accept: must end agreed at every node"""
    S = sync(W, S); S = acks(W, S); S = sync(W, S)
    for i in range(W.n):
        T = W.step(S, ("propose", i, tuple((t, R.heads(S[i], i).get(t, (0,))[0]) for t in W.sets[0])))
        p = T[i][i]; T = sync(W, T)
        for j in range(W.n):
            if j != i: T = W.step(T, ("accept", j, p))
        T = sync(W, T); T = W.step(T, ("ack", i, None)); T = sync(W, T)
        if not all(p in R.agreed(T[j]) for j in range(W.n)): raise Bad("WEDGED: a fresh proposal accepted by all is not agreed")

def sync(W, S):
    u = union(S, W.n); return tuple(u for _ in range(W.n))
def acks(W, S):
    for i in range(W.n): S = W.step(S, ("ack", i, None))
    return S

def randomised(n, mode, runs, depth, seed, items=("x", "y"), bundles=True, judge="past"):
    fresh(); rnd = random.Random(seed); R = Rules(n, mode); W = World(R, items, bundles)
    caps = {"acts": 9, "props": 4, "acks": 99}
    agreed_seen = crossed = steps = compared = same = 0
    weight = {"pull": 4, "ack": 1, "propose": 1 if n < 3 else 0.08, "accept": 9, "withdraw": 0.3 if n < 3 else 0.02, "decline": 0.2 if n < 3 else 0.01}
    for run in range(runs):
        S = W.start(); eng = [Engine(n, judge) for _ in range(n)]; path = []
        for _ in range(depth):
            mvs = list(W.moves(S, caps))
            if not mvs: break
            mv = rnd.choices(mvs, [weight.get(m[0], 1) for m in mvs])[0]
            i = mv[1]; T = W.step(S, mv); path.append(mv); steps += 1
            eng[i].ingest(mv[2] if mv[0] == "pull" else T[i][i])
            try:
                check(R, T, S[i], i)
                if judge == "past" and eng[i].state() != R.agreed(T[i]): raise Bad("ENGINE DIFFERS FROM SPEC at " + "ABCDE"[i])
                compared += 1
                for j in range(n):
                    if j != i and T[j] == T[i]:
                        same += 1
                        if eng[j].state() != eng[i].state(): raise Bad("DIVERGED: %s and %s hold the same entries, compute %s and %s" % ("ABCDE"[i], "ABCDE"[j], names(eng[i].state()), names(eng[j].state())))
            except Bad as e: return ("FOUND", str(e), [show(m) for m in path], run + 1, steps)
            S = T
        K = union(S, n)                              # permuted arrival: same entries, other orders, same result
        for _ in range(2):
            e = Engine(n, judge); need = [chain(K[x]) for x in range(n)]; at = [0] * n
            while any(at[x] < len(need[x]) for x in range(n)):
                ok = [x for x in range(n) if at[x] < len(need[x]) and all(at[y] >= LEN[ENTRY[need[x][at[x]]][3][y]] for y in range(n))]
                x = rnd.choice(ok); e.ingest(need[x][at[x]]); at[x] += 1
            if e.state() != R.agreed(K): return ("FOUND", "DIVERGED: another arrival order gives %s, the specification %s" % (names(e.state()), names(R.agreed(K))), [show(m) for m in path], run + 1, steps)
        agreed_seen += len(R.agreed(K))
        props = R.proposals(K); ag = R.agreed(K)
        crossed += any(conflict(p, q) and p not in ag and q not in ag and author(p) != author(q)
                       and R.stance(K[author(q)]).get(p) == "for" and R.stance(K[author(p)]).get(q) == "for" for p in props for q in props)
        if mode == "receipt" and run % 5 == 0:
            try: wedge_free(R, W, S)
            except Bad as e: return ("FOUND", str(e), [show(m) for m in path], run + 1, steps)
    return ("CLEAN", "%d agreed revisions, %d runs ended with crossed acceptances, engine compared with the specification %d times, equal-knowledge pairs compared %d times" % (agreed_seen, crossed, compared, same), [], run + 1, steps)

def chain(pre):
    out = []
    while pre: out.append(pre); pre = PARENT[pre]
    return out[::-1]

# ------------------------------------------------------------------ forks (R9)
# A party that runs two copies of one node, or means harm, continues two branches of its feed. What a node computes is a
# function of the SET of entries it holds and of the forks it knows: first the specification, then the engine.
NEVER = 1 << 60

def past(pre):                                      # causal past of an entry and the entry itself, as a bit set of prefix ids
    r = _PAST.get(pre)
    if r is None:
        r = past(PARENT[pre]) | 1 << pre
        for x in ENTRY[pre][3]: r |= past(x)
        _PAST[pre] = r
    return r

def forks_in(held):                                 # {party: first differing index} for every feed of which two branches are here
    at, limits = {}, {}
    for e in held:
        x, i = author(e), LEN[e] - 1
        if at.setdefault((x, i), e) != e: limits[x] = min(limits.get(x, NEVER), i)
    return limits

def known_forks(held, told):                        # those proven by what is held, and those proven otherwise (two heads)
    limits = forks_in(held)
    for x, i in told.items(): limits[x] = min(limits.get(x, NEVER), i)
    return limits

def contested(held, limits):
    late = sum(1 << e for e in held if LEN[e] - 1 >= limits.get(author(e), NEVER))
    return {e for e in held if past(e) & late}

def stands(n, held, limits):                        # what is not contested: one prefix per party, closed under pasts
    bad = contested(held, limits); K = [0] * n
    for e in held:
        if e not in bad and LEN[e] > LEN[K[author(e)]]: K[author(e)] = e
    return tuple(K)

class ForkEngine:
    """Engine, told of entries and forks in any order. A fork that becomes known has everything folded anew without what it
    contests. `r9` other than "refold" is a mutant."""
    def __init__(self, n, r9="refold"):
        self.n, self.r9, self.order, self.at, self.limits, self.eng = n, r9, [], {}, {}, Engine(n)
    def contested(self, e):                         # by positions alone, as a store would ask
        a, _, _, F = ENTRY[e]
        return LEN[e] - 1 >= self.limits.get(a, NEVER) or any(LEN[F[y]] > self.limits.get(y, NEVER) for y in range(self.n))
    def learn(self, x, i):
        if i >= self.limits.get(x, NEVER): return
        self.limits[x] = i
        if self.r9 == "refold":
            self.eng = Engine(self.n)
            for e in self.order:
                if not self.contested(e): self.eng.ingest(e)
    def ingest(self, e):
        if self.r9 == "first":                      # mutant: the branch that came first counts, the other is ignored
            kept = self.eng.pre
            if kept[author(e)] == PARENT[e] and all(holds(kept[y], x) for y, x in enumerate(ENTRY[e][3])): self.eng.ingest(e)
            return
        self.order.append(e)
        key = (author(e), LEN[e] - 1)
        if self.at.setdefault(key, e) != e: self.learn(*key)
        if not self.contested(e): self.eng.ingest(e)

class NoEngine:                                     # for histories that are only written down
    def learn(self, x, i): pass
    def ingest(self, e): pass

class Copy:
    """One running copy of a party's node. `bold` goes on naming contested entries in its fronts, as one may that does not
    know better; a careful one never does, so that a fork of one party does not take the others' words with it."""
    def __init__(self, n, party, bold, r9):
        self.party, self.bold, self.K, self.held, self.told = party, bold, [0] * n, [], {}
        self.eng = ForkEngine(n, r9) if r9 else NoEngine()
    def clone(self, r9):
        c = Copy(len(self.K), self.party, self.bold, r9); c.K, c.told = list(self.K), dict(self.told)
        for x, i in c.told.items(): c.eng.learn(x, i)
        for e in self.held: c.held.append(e); c.eng.ingest(e)
        return c
    def limits(self): return known_forks(self.held, self.told)
    def learn(self, x, i):
        self.told[x] = min(self.told.get(x, NEVER), i); self.eng.learn(x, i)
    def receive(self, e):
        a, _, _, F = ENTRY[e]; K = self.K
        self.held.append(e); self.eng.ingest(e)
        if PARENT[e] != K[a]: return
        covered = all(LEN[K[y]] >= LEN[x] and (a != self.party or holds(K[y], x)) for y, x in enumerate(F))
        if covered and (self.bold or e not in contested(self.held, self.limits())): K[a] = e

class Play:
    """A random history: nodes act, sync any part of what they lack, and (with forks) a node is copied and both copies go on."""
    def __init__(self, n, rnd, depth, forks, r9="refold", items=3, props=5):
        fresh(); self.copy_in = rnd.randrange(depth)    # steps until a node is copied
        self.n, self.rnd, self.forks, self.r9, self.R = n, rnd, forks, r9, Rules(n)
        bold = rnd.random() < 0.5
        self.nodes = [Copy(n, x, bold, r9) for x in range(n)]; self.items, self.props, self.log = items, props, []
        self.act(self.nodes[0], ("state", tuple((k, 0) for k in range(rnd.choice((1, 1, 2))))))
        for x in self.nodes[1:]: x.receive(1)

    def act(self, node, what):
        e = append(node.K[node.party], (node.party, what[0], what[1], tuple(node.K)))
        if e in node.held: return                   # the other copy said the same in the same place: the same entry
        self.log.append("%s says %s" % (self.name(node), describe(e))); node.receive(e)
        return node
    def name(self, node): return "ABCDE"[node.party] + "'" * [x for x in self.nodes if x.party == node.party].index(node)

    def step(self):                                 # returns the node to which something happened, or None
        rnd = self.rnd
        self.copy_in -= 1
        if self.forks and self.copy_in < 0 and len(self.nodes) < self.n + 2:
            self.copy_in = rnd.randrange(30); old = rnd.choice(self.nodes); self.nodes.append(old.clone(self.r9))
            self.log.append("-- %s is copied: %s" % (self.name(old), self.name(self.nodes[-1])))
            return self.nodes[-1]
        node = rnd.choice(self.nodes); peer = rnd.choice([x for x in self.nodes if x is not node])
        if rnd.random() < 0.55: return self.sync(node, peer)
        what = self.choose(node); last = node.K[node.party]
        if what[0] == "ack" and last and all(x == y for i, (x, y) in enumerate(zip(node.K, ENTRY[last][3])) if i != node.party):
            return self.sync(node, peer)            # nothing to say, and nothing new heard
        return self.act(node, what)

    def sync(self, node, peer):
        have = set(node.held); news = [e for e in peer.held if e not in have]
        for e in news[:self.rnd.choice((1, 3, 99, 99))]:
            node.receive(e); self.log.append("%s receives %s's %s" % (self.name(node), "ABCDE"[author(e)], describe(e)))
        for x, i in peer.limits().items() if self.forks else ():
            if self.rnd.random() < 0.3:
                node.learn(x, i); self.log.append("%s is told that %s forked at %d" % (self.name(node), "ABCDE"[x], i))
        return node

    def choose(self, node):
        R, rnd, me, K = self.R, self.rnd, node.party, tuple(node.K)
        kind = rnd.choices(("accept", "propose", "ack", "withdraw", "decline", "state", "acknowledge", "dispute", "undispute", "wild"),
                           (8, 3, 1, 0.5, 0.2, 0.3, 0.3, 0.4, 0.3, 0.9) if self.n == 2 else (12, 1.2, 2, 0.15, 0.05, 0.2, 0.2, 0.3, 0.2, 0.6))[0]
        mine = R.stance(K[me]); props = R.proposals(K)
        if kind == "wild": return self.wild(len(PARENT))
        live = [p for p in props if R.bases_ok(p, K, me)]
        if kind == "accept" and not any(p not in mine and author(p) != me for p in live): kind = rnd.choice(("ack", "propose"))
        if kind == "propose" and rnd.random() < (0.5 if self.n == 2 else 0.8):       # too many offers at once, and none is agreed
            if any(mine.get(p) != "left" and not R.dead(p, K) for p in live): kind = "ack"
        if kind == "ack": return (kind, None)
        if kind == "propose" and (len(props) < self.props or self.n > 2 and rnd.random() < 0.2):
            hd = R.heads(K, me); items = [(e, k) for e in self.made(K) for k in range(sum(isinstance(i, int) for i, _ in ENTRY[e][2]))]
            pick = [i for i in rnd.sample(items, min(len(items), rnd.choice((1, 1, 2)))) if len(hd.get(i, (0,))) == 1]
            ref = tuple((i, hd.get(i, (0,))[0]) for i in pick)
            if not ref or len(items) < self.items and rnd.random() < 0.2: ref += ((0, 0),)
            return ("propose", ref)
        if kind == "state": return (kind, rnd.choice((((0, 0),), (((1, 0), 0),), ())))
        if kind in ("acknowledge", "dispute"): some = [e for e in self.made(K) if ENTRY[e][1] == "state" and author(e) != me]
        elif kind == "undispute": some = [e for e, w in R.said(K[me]).items() if w == "disputed"]; kind = "withdraw"
        elif kind == "withdraw": some = [p for p, w in mine.items() if w == "for"]
        else:
            some = [p for p in props if author(p) != me and p not in mine]; kind = "accept" if kind == "propose" else kind
            if kind == "accept": some = [p for p in some if p in live] or some
        return (kind, rnd.choice(some)) if some else ("ack", None)

    def made(self, K):                              # statements and proposals with effect in K
        return [e for x in K for e in chain(x) if ENTRY[e][1] in ("propose", "state") and (self.R.valid(e) or e in self.R.said(e))]

    def wild(self, top):                            # anything at all, as a partner may who means harm or has a defect
        rnd = self.rnd; kind = rnd.choice(("propose", "propose", "accept", "withdraw", "decline", "state", "acknowledge", "dispute"))
        makers = [e for e in range(1, top) if ENTRY[e][1] in ("propose", "state")]
        if kind not in ("propose", "state"): return (kind, rnd.choice(makers + [rnd.randrange(1, top)]))
        items = [i for e in makers for i, _ in changes(e)] + [(1, 9)]               # the last was never created
        pick = [rnd.choice(items) for _ in range(rnd.choice((1, 2)))]
        return (kind, tuple((i, rnd.choice((0, 0, rnd.randrange(1, top))) if kind == "propose" else 0) for i in pick))

def permuted(held, rnd):                            # another order in which the same entries can arrive, causal past first
    left, out, have = sorted(held), [], {0}
    while left:
        e = rnd.choice([e for e in left if PARENT[e] in have and have.issuperset(ENTRY[e][3])])
        left.remove(e); have.add(e); out.append(e)
    return out

def same_as_spec(R, node, eng, what):
    K = stands(R.n, node.held, node.limits()); ag = R.agreed(K)
    if eng.eng.state() != ag: raise Bad("%s: the engine computes %s, the specification %s" % (what, names(eng.eng.state()), names(ag)))
    for e in (e for x in K for e in chain(x)):      # the reason is the same judgement as the effect
        changed = R.stance(e) != R.stance(PARENT[e]) or R.said(e) != R.said(PARENT[e])
        if changed and R.reason(e): raise Bad("%s: an effect with a reason against it" % what)
        if not changed and not R.reason(e) and ENTRY[e][1] not in ("ack", "acknowledge", "dispute"): raise Bad("%s: no effect and no reason" % what)
    words = {(x, p): w for x in range(R.n) for p, w in (R.stance(K[x]) | R.said(K[x])).items()}
    if eng.eng.words() != words: raise Bad("%s: the engine and the specification disagree on a word" % what)
    return K, ag

def fork_check(P, node, was):                       # invariants after something happened to `node`, whose state was `was`
    R = P.R; bad = contested(node.held, node.limits()); gone = 0
    for e in node.held:                             # R9's first clause: two branches in one past are always contested
        if e not in bad and forks_in(members(past(e))): raise Bad("NOT CONTESTED: a past with two branches")
    if P.r9 == "refold" and bad != {e for e in node.held if node.eng.contested(e)}:
        raise Bad("POSITIONS: fronts alone give other contested entries than the pasts do")
    K, ag = same_as_spec(R, node, node.eng, "DIFFERS at " + P.name(node))
    for item, h in R.heads(K).items():
        if len(h) > 1: raise Bad("SPLIT: two agreed heads of one item")
    for p in was - ag:                              # nothing goes but what rests on the fork
        seals = [e for e in node.held if author(e) == author(p) and p in R.seals(e)]
        if not bad.issuperset(seals): raise Bad("VANISHED: %s, although its seal is not contested" % nm(p))
        gone += 1
    return ag, gone

def arrival_check(P, node, times):                  # the same entries and forks in other orders
    for _ in range(times):
        eng = ForkEngine(P.n, P.r9); told = list(node.told.items())
        for e in permuted(node.held, P.rnd):
            while told and P.rnd.random() < 0.2: eng.learn(*told.pop())
            eng.ingest(e)
        for f in told: eng.learn(*f)
        K, ag = same_as_spec(P.R, node, eng, "DIVERGED: another order of arrival at " + P.name(node))
    return len(ag), bool(node.limits()), len(contested(node.held, node.limits()))

def forked(n, runs, depth, seed, r9="refold", forks=True):
    rnd = random.Random(seed); agreed = known = bad = taken = steps = 0
    for run in range(runs):
        P = Play(n, rnd, depth, forks, r9); was = {}
        try:
            for _ in range(depth):
                node = P.step(); steps += 1
                if node is None: continue
                was[node], gone = fork_check(P, node, was.get(node, frozenset())); taken += gone
            for node in P.nodes:
                a, k, b = arrival_check(P, node, 2); agreed += a; known += k; bad += b
        except Bad as e: return ("FOUND", str(e), P.log, run + 1, steps)
    return ("CLEAN", "%d agreed revisions at the end, %d nodes knew of a fork, %d entries contested, %d agreed revisions became contested"
            % (agreed, known, bad, taken), [], run + 1, steps)

def members(bits):
    out = []
    while bits: out.append((bits & -bits).bit_length() - 1); bits &= bits - 1
    return [e for e in out if e]

# ------------------------------------------------------------------ histories for another program
KIND = {"propose": "p", "accept": "a", "withdraw": "w", "decline": "d", "state": "s", "acknowledge": "k", "dispute": "x", "ack": "n"}
REASON = {"": ".", "not known": "k", "base moved": "b", "proposer left": "l", "declined": "d", "already spoke": "s", "own": "o",
          "not for": "f", "too late": "t", "item twice": "2"}
WORD = {None: "-", "for": "f", "left": "l", "no": "n", "acknowledged": "a", "disputed": "d", "none": "u"}
STANDING = {"offered": "o", "receipt awaited": "r", "agreed": "a", "declined": "d", "withdrawn": "w", "crossed": "c", "overtaken": "v",
            "we took back": "t", "taken back": "t"}

def emit(n, runs, seed, forks, out):
    """Writes random histories, each with views (what some node holds) and what the specification answers for each view.
    Entries are numbered from 1 as they were made, 0 is "none"; a line is words separated by spaces:
      H run parties entries seed                    a history begins
      E number party index parent kind ref front    parent: entry before it in its branch of the feed; kind: a letter of KIND;
                                                    ref: entry, or for p and s  item/base,item/base  or  -  for none, where
                                                    item is +k (the k-th created here) or entry.k; front: last entry of each
                                                    party's feed that the author held, a,b,c
      V                                             a view begins
      O step step ...                               an order of arrival: an entry, or !party:index for a fork that is told;
                                                    an entry waits until its parent and its front have arrived
      A proposal:seal ...                           what is agreed, and the sealing entry
      W proposal:words ...                          each party's final word on each proposal that stands (letters of WORD)
      T proposal:standings ...                      how it stands for a person of each party (letters of STANDING)
      S statement:words ...                         each party's final word on each statement that stands
      F letters                                     for each entry, from 1: . effect, c contested, ? not in the view, else REASON
      .                                             the history ends
    """
    rnd = random.Random(seed)
    for run in range(runs):
        depth = rnd.randrange(6 * n, 16 * n); P = Play(n, rnd, depth, forks and rnd.random() < 0.6, None)
        for _ in range(depth): P.step()
        top = len(PARENT); lines = ["H %d %d %d %s" % (run, n, top - 1, seed)]
        for e in range(1, top):
            a, kind, ref, F = ENTRY[e]
            if kind in ("propose", "state"): ref = ",".join("%s/%d" % ("+%d" % i if isinstance(i, int) else "%d.%d" % i, b) for i, b in ref) or "-"
            lines.append("E %d %d %d %d %s %s %s" % (e, a, LEN[e] - 1, PARENT[e], KIND[kind], ref or "-", ",".join(map(str, F))))
        node = rnd.choice(P.nodes); everything = list(range(1, top))
        views = [(everything, {x: i for m in P.nodes for x, i in m.told.items() if rnd.random() < 0.5})]
        if len(node.held) < top - 1: views.append((node.held, node.told))
        for held, told in views:
            shuffled = held[:]; rnd.shuffle(shuffled); lines.append("V")
            for order in (sorted(held), permuted(held, rnd), shuffled):
                steps = list(map(str, order))
                for f in told.items(): steps.insert(rnd.randrange(len(steps) + 1), "!%d:%d" % f)
                lines.append("O " + " ".join(steps))
            lines += answers(P.R, held, known_forks(held, told), top)
        out.write("\n".join(lines) + "\n.\n")

def answers(R, held, limits, top):
    K = stands(R.n, held, limits); bad = contested(held, limits); props = R.proposals(K); have = set(held)
    said = [R.said(K[x]) for x in range(R.n)]; stances = [R.stance(K[x]) for x in range(R.n)]; seals = []
    for p in sorted(R.agreed(K)): seals.append((p, next(e for e in chain(K[author(p)]) if p in R.seals(e))))
    return ["A " + " ".join("%d:%d" % s for s in seals),
            "W " + " ".join("%d:%s" % (p, "".join(WORD[s.get(p)] for s in stances)) for p in props),
            "T " + " ".join("%d:%s" % (p, "".join(STANDING[R.standing(p, K, x)] for x in range(R.n))) for p in props),
            "S " + " ".join("%d:%s" % (s, "".join("-" if x == author(s) else WORD[w.get(s)] for x, w in enumerate(said)))
                            for s in sorted(s for w in said for s, v in w.items() if v == "stated")),
            "F " + "".join("?" if e not in have else "c" if e in bad else REASON[R.reason(e)] for e in range(1, top))]

# ------------------------------------------------------------------ restore from an old backup (a feed that forks)
def restores(n, runs, depth, seed, policy):
    """Each run: normal play; one party is put back to an older copy of its own node and goes on. `policy`:
    'naive' writes on at once; 'ask-one' first takes its own feed back from one peer; 'ask-all' from every peer.
    Counts the runs in which somebody ends up holding two different entries with the same feed position."""
    fresh(); rnd = random.Random(seed); R = Rules(n); W = World(R, ("x",)); caps = {"acts": 6, "props": 3, "acks": 99}
    forked = split = 0; trace = None
    for run in range(runs):
        S = W.start(); hist = [S]; when = rnd.randrange(4, depth - 4); victim = rnd.randrange(n); path = []
        for t in range(depth):
            if t == when:
                old = rnd.choice(hist)[victim]; gone = S[victim]; back = old
                if policy != "naive":
                    peers = [j for j in range(n) if j != victim]
                    for j in (peers if policy == "ask-all" else [rnd.choice(peers)]):
                        back = tuple(S[j][x] if LEN[S[j][x]] > LEN[back[x]] else back[x] for x in range(n))
                S = S[:victim] + (back,) + S[victim+1:]
                path.append("-- %s restored to position %d of its own feed (was %d)" % ("ABCDE"[victim], LEN[back[victim]], LEN[gone[victim]]))
            mvs = [m for m in safe_moves(W, S, caps)]
            if not mvs: break
            mv = rnd.choice(mvs); S = W.step(S, mv); path.append(show(mv)); hist.append(S)
        # any two known prefixes of the victim's feed that are not on one chain = a fork somebody can prove
        held = [S[j][victim] for j in range(n)]
        f = any(LEN[a] <= LEN[b] and not holds(b, a) for a in held for b in held)
        forked += f
        if f and trace is None: trace = path
    return forked, run + 1, trace

def safe_moves(W, S, caps):
    try: yield from W.moves(S, caps)
    except (IndexError, TypeError): return          # a forked feed cannot be pulled any further: play stops there

# ------------------------------------------------------------------ worked races
SHOWN = {"agreed": "AGREED", "declined": "declined", "overtaken": "overtaken", "crossed": "CROSSED, lapses", "withdrawn": "withdrawn", "offered": "open",
         "we took back": "we took our word back", "taken back": "acceptance taken back, lapses", "receipt awaited": "accepted, receipt awaited"}

def races():
    def play(title, script, mode="receipt", n=2):
        fresh(); R = Rules(n, mode); W = World(R); S = W.start(); ids = {}
        print("\n  " + title)
        def view(i):
            K = S[i]; out = []
            for name, p in ids.items():
                if any(holds(K[x], p) for x in range(n)): out.append("%s %s" % (name, SHOWN[R.standing(p, K, i)]))
            return "; ".join(out)
        for step in script:
            w = step.split(); i = "ABC".index(w[0])
            if w[1] == "gets":
                j = "ABC".index(w[2]); K = S[i]
                K = tuple(S[j][x] if LEN[S[j][x]] > LEN[K[x]] else K[x] for x in range(n)); S = S[:i] + (K,) + S[i+1:]
                S = W.step(S, ("ack", i, None))
            elif w[1] == "proposes":
                S = W.step(S, ("propose", i, (("x", R.heads(S[i], i).get("x", (0,))[0]),))); ids[w[2]] = S[i][i]
            else: S = W.step(S, (w[1][:-1], i, ids[w[2]]))
            print("    %-22s | A: %-50s | B: %s" % (step, view(0), view(1)))
        same = R.agreed(S[0]) == R.agreed(S[1])
        print("    => both sides show the same agreed facts: %s" % same)
    play("1. one offer, accepted: in force when the proposer's node has received the acceptance",
         ["A proposes p", "B gets A", "B accepts p", "A gets B", "B gets A"])
    play("2. competing revisions of the same base; A gives way",
         ["A proposes p", "B proposes q", "A gets B", "B gets A", "A accepts q", "B gets A", "A gets B"])
    play("3. A withdraws while B accepts (neither has seen the other)",
         ["A proposes p", "B gets A", "A withdraws p", "B accepts p", "A gets B", "B gets A"])
    play("4. A withdraws after B's acceptance has arrived: too late, the withdrawal has no effect",
         ["A proposes p", "B gets A", "B accepts p", "A gets B", "A withdraws p", "B gets A"])
    play("5. crossed acceptances: each accepts the other's version",
         ["A proposes p", "B proposes q", "A gets B", "B gets A", "A accepts q", "B accepts p", "A gets B", "B gets A", "A proposes q2", "B gets A", "B accepts q2", "A gets B", "B gets A"])
    play("6. B takes its acceptance back while A's receipt is under way: A's node had it first, so p stands",
         ["A proposes p", "B gets A", "B accepts p", "A gets B", "B withdraws p", "B gets A", "A gets B"])
    play("7. B takes its acceptance back before A's node has received it",
         ["A proposes p", "B gets A", "B accepts p", "B withdraws p", "A gets B", "B gets A"])
    play("8. B accepts, then thinks better of it and counters before A's node has the acceptance",
         ["A proposes p", "B gets A", "B accepts p", "B proposes q", "A gets B", "A accepts q", "B gets A", "A gets B"])

MUTANTS = [                                          # mode, acts per party, proposals per party, what is different
    ("setwise", 2, 1, "no receipt: agreed = everybody is FOR in what I hold now (a redaction beats an acceptance)"),
    ("postal",  2, 1, "acceptance binds when signed (postal rule): a withdrawal the acceptor had not seen is void"),
    ("nostand", 2, 1, "R2 off: a party may be FOR two competing revisions"),
    ("restand", 3, 1, "R1 off: a party may come back to a proposal it has left"),
    ("subset",  2, 1, "different proposals on one item may name different required parties"),
    ("unwritten", 2, 1, "the screen says agreed as soon as the acceptance is here, before a receipt is signed"),
]

def main():
    args = argparse.ArgumentParser(description="Counterpart's rules of agreement: model checker")
    args.add_argument("what", nargs="?", default="quick", choices=("quick", "full", "emit"))
    args.add_argument("--parties", type=int, default=2); args.add_argument("--runs", type=int, default=10)
    args.add_argument("--seed", type=int, default=1); args.add_argument("--forks", action="store_true")
    args = args.parse_args()
    if args.what == "emit": return emit(args.parties, args.runs, args.seed, args.forks, sys.stdout)
    full = args.what == "full"; t0 = time.time()
    wrong = []
    def line(label, r, want="ok"):
        if (r[0] == "FOUND") != (want == "FOUND"): wrong.append(label)
        print("  %-7s %-52s states/runs %-9d steps %-9d %s" % (r[0], label, r[3], r[4], r[1]))
        if r[0] == "FOUND":
            for m in r[2]: print("            " + m)
        sys.stdout.flush()
    print("== exhaustive, recommended rules (CLEAN = every reachable state within the bound was visited)")
    big = 8_000_000 if full else 400_000; secs = 400 if full else 60
    line("2 parties, 1 item, 1 proposal, 2 acts, 2 acks each", exhaustive(2, "receipt", {"acts": 2, "props": 1, "acks": 2}, big, seconds=secs))
    line("2 parties, 1 item, 2 proposals, 2 acts, 2 acks each", exhaustive(2, "receipt", {"acts": 2, "props": 2, "acks": 2}, big, seconds=secs))
    line("2 parties, 2 items + bundle, 2 acts, 1 ack each", exhaustive(2, "receipt", {"acts": 2, "props": 2, "acks": 1}, big, ("x", "y"), True, secs))
    line("2 parties, soft and firm offers, 2 acts, 1 ack each", exhaustive(2, "receipt", {"acts": 2, "props": 2, "acks": 1, "kinds": ("propose", "firm")}, big, seconds=secs))
    line("3 parties, 1 item, 1 act, 1 ack each", exhaustive(3, "receipt", {"acts": 1, "props": 1, "acks": 1}, big, seconds=secs))
    line("3 parties, 1 item, 2 acts, no bare acks, no decline", exhaustive(3, "receipt", {"acts": 2, "props": 1, "acks": 0, "decline": False}, big, seconds=secs))
    if full:
        line("2 parties, 1 item, 2 proposals, 3 acts, 2 acks each", exhaustive(2, "receipt", {"acts": 3, "props": 2, "acks": 2}, big, seconds=secs))
        line("3 parties, soft and firm, 2 acts, 1 ack, no decline", exhaustive(3, "receipt", {"acts": 2, "props": 1, "acks": 1, "decline": False, "kinds": ("propose", "firm")}, big, seconds=secs))
    print("== random, recommended rules (2 items, bundles, engine against specification, permuted arrival, no wedge)")
    for n, runs in ((2, 20000 if full else 1500), (3, 12000 if full else 800), (4, 5000 if full else 300)):
        line("%d parties" % n, randomised(n, "receipt", runs, 14 * n, 7 + n))
    print("== random, with forks (R9; wild entries, statements, created items, permuted arrival of entries and of forks)")
    for n, runs in ((2, 8000 if full else 600), (3, 8000 if full else 500), (4, 2000 if full else 100)):
        line("%d parties" % n, forked(n, runs, 14 * n, 70 + n))
        line("%d parties, no forks" % n, forked(n, runs // 2, 14 * n, 80 + n, forks=False))
    print("== mutants (each must be FOUND)")
    for m, acts, props, why in MUTANTS:
        line(m + ": " + why, exhaustive(3 if m == "subset" else 2, m, {"acts": acts, "props": props, "acks": 1, "decline": False, "withdraw": m != "subset"}, 8_000_000, seconds=1200), "FOUND")
    line("arrival: R3 off, judged on what has arrived", randomised(2, "receipt", 30000, 11, 5, items=("x",), bundles=False, judge="arrival"), "FOUND")
    line("first: R9 off, the branch that came first counts", forked(2, 3000, 28, 6, r9="first"), "FOUND")
    line("keep: R9 by halves, what was folded before the fork was known stays", forked(2, 3000, 28, 6, r9="keep"), "FOUND")
    print("== restore of one node from an old backup (how often two entries share a feed position)")
    for pol in ("naive", "ask-one", "ask-all"):
        for n in (2, 3):
            f, runs, tr = restores(n, 4000 if full else 600, 14 * n, 3, pol)
            print("  %-8s %d parties: %d of %d runs forked" % (pol, n, f, runs))
    print("== worked races"); races()
    print("\nelapsed %.0f s; %s" % (time.time() - t0, "as expected" if not wrong else "NOT AS EXPECTED: " + "; ".join(wrong)))
    sys.exit(bool(wrong))

if __name__ == "__main__":
    main()
