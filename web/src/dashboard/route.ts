/** The address of a facility's own page, behind the `#`: the hub serves one page, whoever looks. */
const FACILITY = /^#\/facility\/([\w-]+)$/;

export function facilityAddress(code: string): string {
  return `#/facility/${code}`;
}

/** The facility that the address asks for; none means the whole province. */
export function facilityCode(): string | undefined {
  return FACILITY.exec(location.hash)?.[1];
}
