//! The keys of the runtime configuration and the form of each value: for the reader, for its errors, and for the reference.

/// A key of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its name. The flag with the same meaning has dashes for the underscores.
    pub(crate) name: &'static str,
    /// What a value is, as an error says it.
    pub(crate) form: &'static str,
    /// What the key means, as Markdown, if no flag has the same meaning.
    pub(crate) meaning: Option<&'static str>,
}

pub(super) const STRING: &str = "a string";
pub(super) const COUNT: &str = "a whole number";
pub(super) const BOOLEAN: &str = "true or false";
pub(super) const DURATION: &str = "a duration: a string with a unit as in \"300ms\", or seconds";
pub(super) const SIZE: &str = "a size: bytes, or a string with a unit as in \"64MiB\"";
pub(super) const ADDRESS: &str = "an address with a port, as in \"0.0.0.0:7000\"";
pub(super) const FILE: &str = "a string with the path of a file";
pub(super) const TABLE: &str = "a table";

const fn as_flag(name: &'static str, form: &'static str) -> Key {
    Key {
        name,
        form,
        meaning: None,
    }
}

/// What stands at the top of the file.
pub(crate) const TOP: [Key; 3] = [
    Key {
        meaning: Some(
            "A table of its own for each store, `[key_value_store.LABEL]`. The label is the one in a component's \
             `key_value_stores`.",
        ),
        ..as_flag("key_value_store", TABLE)
    },
    Key {
        meaning: Some(
            "Values of the application's variables, in a list of tables, `[[variables_provider]]`. An older name is \
             `config_provider`.",
        ),
        ..as_flag("variables_provider", TABLE)
    },
    as_flag("max_instance_memory", SIZE),
];

/// What a store may say, whatever its type.
pub(crate) const STORE: [Key; 5] = [
    Key {
        meaning: Some(
            "`\"local\"`: the memory of this process. `\"replicated\"`: the memory of every node of a cluster.",
        ),
        ..as_flag("type", STRING)
    },
    as_flag("max_key_size", SIZE),
    as_flag("max_value_size", SIZE),
    as_flag("max_total_size", SIZE),
    as_flag("read_consistency", STRING),
];

/// What a replicated store may say of the cluster besides.
pub(crate) const CLUSTER: [Key; 14] = [
    as_flag("voters", COUNT),
    as_flag("read_lease", BOOLEAN),
    as_flag("election_timeout", DURATION),
    as_flag("heartbeat_interval", DURATION),
    as_flag("snapshot_after", COUNT),
    as_flag("max_log_bytes", SIZE),
    as_flag("evict_after", DURATION),
    as_flag("leader_wait", DURATION),
    as_flag("peer_listen", ADDRESS),
    Key {
        meaning: Some(
            "The cluster's secret itself, in place of `cluster_token_file`: 16 to 2048 bytes.",
        ),
        ..as_flag("cluster_token", STRING)
    },
    as_flag("cluster_token_file", FILE),
    as_flag("peer_tls_cert", FILE),
    as_flag("peer_tls_key", FILE),
    as_flag("peer_tls_ca", FILE),
];

/// What a variables provider may say.
pub(crate) const PROVIDER: [Key; 3] = [
    Key {
        meaning: Some(
            "`\"static\"`: `values` has the values. `\"env\"`: the environment, `SPIN_VARIABLE_NAME`, which is read in any case.",
        ),
        ..as_flag("type", STRING)
    },
    Key {
        meaning: Some(
            "For `\"static\"`: a string for each variable. The first provider with a value wins.",
        ),
        ..as_flag("values", TABLE)
    },
    Key {
        meaning: Some("For `\"env\"`: only `\"SPIN_VARIABLE\"`."),
        ..as_flag("prefix", STRING)
    },
];
