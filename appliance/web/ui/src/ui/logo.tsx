export function Logo() {
  return (
    <span class="logo">
      <img src="/watchbook.svg" alt="" width="26" height="26" />
      <span>Watchbook</span>
    </span>
  );
}
