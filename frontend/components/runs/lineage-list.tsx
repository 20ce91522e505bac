import Link from "next/link";

import type { Lineage, LineageNode } from "@/lib/lineage-layout";
import { hrefOf, KINDS, madeFrom, sentenceOf } from "@/lib/lineage-words";

/** The same as the picture in words: each thing with what it was made from. */
export function LineageList({ graph }: { graph: Lineage }) {
  return (
    <ol aria-label="Lineage, the oldest first" className="border-t py-2 text-sm">
      {madeFrom(graph).map(({ node, from }) => (
        <li key={node.id} className="px-4 py-1 sm:px-5">
          <Named node={node}>{sentenceOf(node)}</Named>
          {from.length ? (
            <span className="text-muted">
              {" "}
              from {from.map((item) => `${KINDS[item.kind].label.toLowerCase()} ${item.name}`).join(", ")}
            </span>
          ) : null}
        </li>
      ))}
    </ol>
  );
}

function Named({ node, children }: { node: LineageNode; children: string }) {
  const href = hrefOf(node);
  if (!href || node.marked)
    return <span className={node.marked ? "font-medium" : undefined}>{children}</span>;
  return (
    <Link href={href} className="text-accent-ink underline decoration-current/40 underline-offset-4">
      {children}
    </Link>
  );
}
