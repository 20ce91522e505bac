/** The mark: a road with three stops. */
export function Logo({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden className={className}>
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <g className="fill-on-accent stroke-on-accent">
        <path
          d="M6 22.5c4.5 0 4.5-13 10-13s5.5 6.5 10 6.5"
          fill="none"
          strokeWidth="2.5"
          strokeLinecap="round"
        />
        <circle cx="6" cy="22.5" r="2.6" stroke="none" />
        <circle cx="16" cy="9.5" r="2.6" stroke="none" />
        <circle cx="26" cy="16" r="2.6" stroke="none" />
      </g>
    </svg>
  );
}
