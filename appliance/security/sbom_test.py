#!/usr/bin/env python3
"""Holds the bill of materials against what cargo and npm say in other words. Usage: appliance/security/sbom_test.py"""

import json
import re
import unittest

import sbom

# What builds or tests use and nobody gets: test libraries, macros, bindings' generators, the page's tools.
NOT_SHIPPED = {"proptest", "syn", "bindgen", "cc", "vite", "vitest", "typescript", "watchbook-tidy", "watchbook-e2e", "watchbook-load"}


def linked_alone(crate, target):
    """Crates that one crate of ours links when cargo builds it by itself: the fewest features there can be."""
    flat = sbom.run("cargo", "tree", "--locked", "--package", crate, "--target", target, "--edges", "normal,no-proc-macro", "--prefix", "none",
                    "--format", "{p}")
    return {"{} {}".format(*re.match(r"(\S+) v(\S+)", line).groups()) for line in filter(None, flat.splitlines())}


def reachable(target, names, manifest):
    """Crates that cargo's metadata lets `names` reach by dependencies that are neither for building nor for testing: the most features there can be."""
    metadata = json.loads(sbom.run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target, "--manifest-path", manifest))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    left = [key for key in metadata["workspace_members"] if packages[key]["name"] in names]
    seen = set()
    while left:
        key = left.pop()
        macro = any("proc-macro" in target["kind"] for target in packages[key]["targets"])
        if key not in seen and not macro:
            seen.add(key)
            left += [edge["pkg"] for edge in nodes[key]["deps"] if any(kind["kind"] is None for kind in edge["dep_kinds"])]
    return {f"{packages[key]['name']} {packages[key]['version']}" for key in seen}


class Bill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bill = sbom.document()
        cls.parts = cls.bill["components"]
        cls.refs = {part["bom-ref"] for part in cls.parts}
        cls.crates = {f"{part['name']} {part['version']}" for part in cls.parts if part["bom-ref"].startswith("cargo:")}

    def test_no_crate_that_a_program_links_is_missing(self):
        for target, crates in [(sbom.NATIVE, sbom.PROGRAMS), (sbom.WASM, [sbom.VERIFIER])]:
            for crate in crates:
                alone = linked_alone(crate, target)
                self.assertGreater(len(alone), 5)
                self.assertEqual(alone - self.crates, set(), crate)

    def test_every_crate_is_one_that_a_program_can_reach(self):
        reached = reachable(sbom.NATIVE, sbom.PROGRAMS, "Cargo.toml") | reachable(sbom.WASM, [sbom.VERIFIER], "Cargo.toml")
        plugins = [crate.split()[0] for crate in sbom.plugin_roots(sbom.cargo_graph(sbom.WASM, "plugins/Cargo.toml"))]
        self.assertEqual(self.crates - reached - reachable(sbom.WASM, plugins, "plugins/Cargo.toml"), set())

    def test_the_page_has_what_npm_lists(self):
        for folder in sbom.PAGES:
            listed = json.loads(sbom.run("npm", "ls", "--prefix", folder, "--all", "--omit=dev", "--json", "--package-lock-only"))
            found, left = set(), [listed]
            while left:
                inside = left.pop().get("dependencies", {})
                found |= {f"npm:{name}@{entry['version']}" for name, entry in inside.items() if "version" in entry}
                left += inside.values()
            told = next(entry for entry in self.bill["dependencies"] if entry["ref"] == f"npm:{listed['name']}")
            self.assertEqual(set(told["dependsOn"]), found, folder)

    def test_what_builds_and_tests_use_is_left_out(self):
        self.assertEqual({part["name"] for part in self.parts} & NOT_SHIPPED, set())
        self.assertTrue({"rocksdb", "wasmtime", "ffmpeg-sys-next", "preact"} <= {part["name"] for part in self.parts})

    def test_each_part_has_a_licence_and_what_is_not_ours_a_digest_and_an_address(self):
        for part in self.parts:
            self.assertTrue(part["licenses"][0]["expression"], part)
            if "purl" in part and not part["bom-ref"].startswith("rust-std"):
                digest = part["hashes"][0]
                self.assertEqual(len(digest["content"]) * 4, int(digest["alg"].removeprefix("SHA-")), part)
                self.assertRegex(digest["content"], "^[0-9a-f]+$")

    def test_every_reference_leads_to_a_part_and_every_part_is_named_once(self):
        self.assertEqual(len(self.refs), len(self.parts))
        self.assertEqual([entry["ref"] for entry in self.bill["dependencies"]], ["watchbook-station", *sorted(self.refs)])
        for entry in self.bill["dependencies"]:
            self.assertLessEqual(set(entry["dependsOn"]), self.refs, entry["ref"])

    def test_a_program_that_is_gone_is_said(self):
        with self.assertRaises(SystemExit):
            sbom.named({"watchbook 1": set()}, ["watchbook", "nobody"])


if __name__ == "__main__":
    unittest.main()
