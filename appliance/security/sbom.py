#!/usr/bin/env python3
"""Writes what the shipped programs, the page, the player and the plugins are made of, as a CycloneDX 1.6 document.

Usage: appliance/security/sbom.py BIN >FILE    BIN is the folder with the built programs; without it, C libraries are left out.

The same sources and the same system libraries give the same bytes: no time and no random number is in it. Crates are those that cargo links into the programs, without what only builds or tests
use; C sources that a crate brings along (RocksDB, zstd, AWS-LC) are that crate's. Programs link libavcodec and its kin dynamically: what the loader takes on this machine is listed with its Debian
package. The JavaScript engine in plugins that are written in JavaScript is not taken apart.
"""

import base64
import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
NATIVE = "x86_64-unknown-linux-gnu"
WASM = "wasm32-unknown-unknown"
# What a station gets, by the crates that make it, and what plugin authors get.
PROGRAMS = ["watchbook", "watchbook-analysis", "watchbook-evidence", "watchbook-plugin-cli", "watchbook-plugin-engine"]
VERIFIER = "watchbook-evidence-wasm"
PAGES = ["appliance/web/ui", "appliance/evidence/player"]


def run(*command):
    """What a program prints; its own words go to standard error."""
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def cargo_graph(target, manifest="Cargo.toml"):
    """Crate -> crates that it links, as cargo resolves them for a build of the whole workspace. A crate is "NAME VERSION"."""
    text = run("cargo", "tree", "--locked", "--manifest-path", manifest, "--workspace", "--target", target,
               "--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", " {p}")
    graph, path = {}, []
    for line in filter(None, text.splitlines()):
        depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
        crate = f"{name} {version}"
        graph.setdefault(crate, set())
        path[int(depth):] = [crate]
        if len(path) > 1:
            graph[path[-2]].add(crate)
    return graph


def reached(graph, roots):
    """Everything that `roots` lead to, with themselves."""
    seen, left = set(), list(roots)
    while left:
        one = left.pop()
        if one not in seen:
            seen.add(one)
            left.extend(graph[one])
    return seen


def named(graph, names):
    """The crates of `graph` that have one of `names`; each must be there."""
    found = {name: crate for crate in graph for name in [crate.split()[0]] if name in names}
    missing = set(names) - set(found)
    if missing:
        sys.exit(f"sbom: no crate is named {', '.join(sorted(missing))}; correct the list at the head of sbom.py")
    return [found[name] for name in names]


def crate_components(crates, manifest="Cargo.toml"):
    """A component for each crate, with its licence by cargo's metadata and its digest by the lock file."""
    metadata = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", manifest))
    packages = {f"{package['name']} {package['version']}": package for package in metadata["packages"]}
    lock = tomllib.loads((ROOT / manifest).with_name("Cargo.lock").read_text())
    sums = {f"{entry['name']} {entry['version']}": entry.get("checksum") for entry in lock["package"]}
    for crate in sorted(crates):
        package = packages[crate]
        ours = package["source"] is None
        yield component(
            "application" if ours and crate.split()[0] in PROGRAMS else "library", package["name"], package["version"],
            purl=None if ours else f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}",
            ref=f"cargo:{crate.replace(' ', '@')}",
            licence=(package["license"] or "").replace("/", " OR ") or None,
            digest=("SHA-256", sums[crate]) if sums[crate] else None,
            site=package["repository"])


def page_components(folder):
    """A component for each package that the build of a page may take in: those of the lock file that are not for developing alone."""
    lock = json.loads((ROOT / folder / "package-lock.json").read_text())
    for path, entry in sorted(lock["packages"].items()):
        if not path or entry.get("dev") or entry.get("devOptional"):
            continue
        name = path.split("node_modules/")[-1]
        kind, digest = entry["integrity"].split("-", 1)
        yield component(
            "library", name, entry["version"], purl=f"pkg:npm/{name.replace('@', '%40')}@{entry['version']}",
            ref=f"npm:{name}@{entry['version']}", licence=entry.get("license"),
            digest=(f"SHA-{kind[3:]}", base64.b64decode(digest).hex()))


def system_components(programs):
    """A component for each Debian package with a library that the loader takes for `programs`."""
    paths = set()
    for program in programs:
        paths.update(re.findall(r"(?:=> )?(/\S+) \(0x", run("ldd", str(program))))
    packages = set()
    for path in paths:
        # A package may own the path with or without /usr, since both lead to the same file.
        for name in [path, f"/usr{path}", path.removeprefix("/usr"), str(pathlib.Path(path).resolve())]:
            found = subprocess.run(["dpkg-query", "-S", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            if found.returncode == 0:
                packages.add(found.stdout.split(": ")[0].split(",")[0].split(":")[0])
                break
        else:
            sys.exit(f"sbom: no Debian package has {path}; what the programs link cannot be named")
    for package in sorted(packages):
        version = run("dpkg-query", "-W", "-f=${Version}\n", package).splitlines()[0]
        yield component("library", package, version, purl=f"pkg:deb/debian/{package}@{version.replace('+', '%2B').replace(':', '%3A')}",
                        ref=f"deb:{package}@{version}")


def component(kind, name, version, *, ref, purl=None, licence=None, digest=None, site=None):
    """One entry, with what is known of it."""
    found = {"type": kind, "bom-ref": ref, "name": name, "version": version}
    if digest:
        found["hashes"] = [{"alg": digest[0], "content": digest[1]}]
    if licence:
        found["licenses"] = [{"expression": licence}]
    if purl:
        found["purl"] = purl
    if site and re.match(r"https?://", site):
        found["externalReferences"] = [{"type": "vcs", "url": site}]
    return found


def plugin_roots(graph):
    """The crates of the plugins that come with the recorder: each has a manifest beside it."""
    folders = [path.parent for path in (ROOT / "plugins").glob("*/plugin.toml")]
    names = [tomllib.loads((folder / "Cargo.toml").read_text())["package"]["name"] for folder in folders if (folder / "Cargo.toml").exists()]
    return named(graph, sorted(names))


def document(bin_folder=None):
    """The whole bill."""
    everything, edges, tops = {}, {}, []

    def add(components, graph=None, roots=()):
        for one in components:
            everything[one["bom-ref"]] = one
        for crate in reached(graph, roots) if graph else ():
            edges.setdefault(f"cargo:{crate.replace(' ', '@')}", set()).update(f"cargo:{to.replace(' ', '@')}" for to in graph[crate])
        tops.extend(f"cargo:{root.replace(' ', '@')}" for root in roots)

    for target, manifest, pick in [(NATIVE, "Cargo.toml", lambda graph: named(graph, PROGRAMS)),
                                   (WASM, "Cargo.toml", lambda graph: named(graph, [VERIFIER])),
                                   (WASM, "plugins/Cargo.toml", plugin_roots)]:
        graph = cargo_graph(target, manifest)
        roots = pick(graph)
        add(crate_components(reached(graph, roots), manifest), graph, roots)
    for folder in PAGES:
        package = json.loads((ROOT / folder / "package.json").read_text())
        top = component("application", package["name"], package["version"], ref=f"npm:{package['name']}", licence=package["license"])
        parts = list(page_components(folder))
        add([top, *parts])
        edges[top["bom-ref"]] = {part["bom-ref"] for part in parts}
        tops.append(top["bom-ref"])
    std = run("rustc", "--version").split()[1]
    add([component("library", "rust-std", std, ref=f"rust-std@{std}", licence="MIT OR Apache-2.0", purl=f"pkg:generic/rust-std@{std}")])
    tops.append(f"rust-std@{std}")
    if bin_folder:
        names = [name for crate in PROGRAMS for name in programs_of(crate)]
        libraries = list(system_components([pathlib.Path(bin_folder) / name for name in names]))
        add(libraries)
        tops.extend(one["bom-ref"] for one in libraries)
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component("application", "Watchbook", version, ref="watchbook-station", licence="Apache-2.0")},
        "components": [everything[ref] for ref in sorted(everything)],
        "dependencies": [{"ref": "watchbook-station", "dependsOn": sorted(set(tops))}]
        + [{"ref": ref, "dependsOn": sorted(edges.get(ref, ()))} for ref in sorted(everything)],
    }


def programs_of(crate):
    """The executables that a crate of ours makes."""
    metadata = json.loads(run("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"))
    package = next(package for package in metadata["packages"] if package["name"] == crate)
    return [target["name"] for target in package["targets"] if "bin" in target["kind"]]


if __name__ == "__main__":
    json.dump(document(sys.argv[1] if len(sys.argv) > 1 else None), sys.stdout, indent=1)
    print()
