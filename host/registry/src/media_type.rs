//! The media types of what makes up an application in a registry, as Spin has them.

/// The locked application: a layer, or the image's configuration as in the first versions of Spin.
pub(crate) const APPLICATION: &str = "application/vnd.fermyon.spin.application.v1+config";
/// A component's WebAssembly.
pub(crate) const WASM: &str = "application/vnd.wasm.content.layer.v1+wasm";
/// WebAssembly as `wkg` pushes it.
pub(crate) const WASM_PACKAGE: &str = "application/wasm";
/// A file.
pub(crate) const DATA: &str = "application/vnd.wasm.content.layer.v1+data";
/// A compressed archive of files.
pub(crate) const ARCHIVE: &str = "application/vnd.wasm.content.bundle.v1.tar+gzip";

/// What a manifest may be. Those of several images are among them so that they are refused in words.
pub(crate) const MANIFESTS: [&str; 4] = [
    oci_client::manifest::OCI_IMAGE_MEDIA_TYPE,
    oci_client::manifest::IMAGE_MANIFEST_MEDIA_TYPE,
    oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE,
    oci_client::manifest::IMAGE_MANIFEST_LIST_MEDIA_TYPE,
];

/// Whether it is the type of a layer of an ordinary container image.
pub(crate) fn is_container_layer(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.")
}
