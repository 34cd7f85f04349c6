//! The pure-Rust backend (arkworks), for wasm and targets without `std`.

use super::{Backend, expand_message};
use ark_bls12_381::{Bls12_381, Config, Fq, G1Affine, G1Projective, G2Affine, G2Projective, g1};
use ark_ec::bls12::Bls12Config as _;
use ark_ec::hashing::curve_maps::wb::WBMap;
use ark_ec::hashing::map_to_curve_hasher::MapToCurve as _;
use ark_ec::pairing::Pairing as _;
use ark_ec::{AffineRepr as _, CurveGroup as _};
use ark_ff::{BigInt, One as _, PrimeField as _, Zero as _};
use ark_serialize::CanonicalDeserialize as _;

/// Arithmetic by arkworks.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Backend for Portable {
    type G1 = G1Affine;
    type G2 = G2Affine;

    fn g1_from_compressed(bytes: &[u8; 48]) -> Option<G1Affine> {
        let point = g1_on_curve(bytes)?;
        is_in_subgroup(&point).then_some(point)
    }

    fn g2_from_compressed(bytes: &[u8; 96]) -> Option<G2Affine> {
        G2Affine::deserialize_compressed(&bytes[..]).ok()
    }

    fn g2_is_identity(point: &G2Affine) -> bool {
        point.is_zero()
    }

    fn hash_to_g1(tag: &str, message: &[u8]) -> G1Affine {
        let expanded = expand_message(tag, message);
        let map = |bytes: &[u8]| {
            WBMap::<g1::Config>::map_to_curve(Fq::from_be_bytes_mod_order(bytes))
                .expect("the map takes every field element to a point of the curve")
        };
        let (first, second) = expanded.split_at(64);
        (map(first) + map(second)).into_affine().clear_cofactor()
    }

    fn g1_sum_of_products(points: &[(G1Affine, u128)]) -> G1Affine {
        let product = |(point, factor): &(G1Affine, u128)| {
            let bytes = factor.to_le_bytes();
            let (low, high) = bytes.split_at(8);
            let limb = |half: &[u8]| {
                half.iter().rev().fold(0, |limb, byte| (limb << 8) | u64::from(*byte))
            };
            point.mul_bigint([limb(low), limb(high)])
        };
        points.iter().map(product).sum::<G1Projective>().into_affine()
    }

    fn g2_sum(plus: &[&G2Affine], minus: &[&G2Affine]) -> G2Affine {
        let sum = plus.iter().fold(G2Projective::zero(), |sum, point| sum + **point);
        minus.iter().fold(sum, |sum, point| sum - **point).into_affine()
    }

    fn pairing_holds(signature: &G1Affine, terms: &[(G1Affine, G2Affine)]) -> bool {
        let left = core::iter::once(-*signature).chain(terms.iter().map(|(hash, _)| *hash));
        let right =
            core::iter::once(G2Affine::generator()).chain(terms.iter().map(|(_, key)| *key));
        Bls12_381::multi_pairing(left, right).0.is_one()
    }
}

/// The point with this compressed form, as arkworks reads it; it may be outside the group.
///
/// Here because arkworks' own reading brings its check of the group with it, called or not.
fn g1_on_curve(bytes: &[u8; 48]) -> Option<G1Affine> {
    let flags = bytes[0] >> 5;
    let mut x = *bytes;
    x[0] &= 0x1f;
    match flags {
        COMPRESSED | COMPRESSED_GREATEST => {
            // Seen as a whole number; one not below the modulus is no field element.
            let limb = |index: usize| {
                let bytes = &x[40 - 8 * index..48 - 8 * index];
                bytes.iter().fold(0, |limb, byte| (limb << 8) | u64::from(*byte))
            };
            let x = Fq::from_bigint(BigInt(core::array::from_fn(limb)))?;
            G1Affine::get_point_from_x_unchecked(x, flags == COMPRESSED_GREATEST)
        }
        COMPRESSED_INFINITY => (x == [0; 48]).then(G1Affine::zero),
        _ => None,
    }
}

/// Flags of a compressed point, the three first bits.
const COMPRESSED: u8 = 0b100;
/// Of the two points with this `x`, the one whose `y` is the greater number.
const COMPRESSED_GREATEST: u8 = 0b101;
/// The point at infinity.
const COMPRESSED_INFINITY: u8 = 0b110;

/// Whether a point of the curve is in the group of order `r`: whether φ(P) = -\[x²\]P.
///
/// It is the check of arkworks (section 6 of <https://eprint.iacr.org/2021/1130>), with both products by
/// `x` from affine coordinates. Its own takes the second from projective ones, which splits the factor
/// with big integers: more code than all other arithmetic in a page.
fn is_in_subgroup(point: &G1Affine) -> bool {
    let by_x = point.mul_bigint(Config::X);
    if by_x == *point && !point.infinity {
        return false;
    }
    -by_x.into_affine().mul_bigint(Config::X) == g1::endomorphism(point)
}

#[cfg(test)]
mod tests {
    use super::{Backend as _, G1Affine, Portable, g1_on_curve, is_in_subgroup};
    use alloc::vec::Vec;
    use ark_bls12_381::{Fq, Fr};
    use ark_ec::{AffineRepr as _, CurveGroup as _};
    use ark_ff::PrimeField as _;
    use ark_serialize::{CanonicalDeserialize as _, CanonicalSerialize as _};

    #[bounded::test]
    fn agrees_with_arkworks_on_what_is_in_the_subgroup() {
        let (mut inside, mut outside) = (0, 0);
        for point in points() {
            let expected = point.is_in_correct_subgroup_assuming_on_curve();
            assert_eq!(is_in_subgroup(&point), expected, "{point}");
            *(if expected { &mut inside } else { &mut outside }) += 1;
        }
        assert!(inside > 20 && outside > 20, "{inside} inside, {outside} outside");
    }

    #[bounded::test]
    fn reads_compressed_points_as_arkworks_does() {
        let mut forms: Vec<[u8; 48]> = points().iter().map(compressed).collect();
        // No field element, the modulus itself, and a number below it that is no `x` of the curve.
        forms.push([0xff; 48]);
        forms.push(bytes_of(Fq::MODULUS.0));
        forms.push(bytes_of([5, 0, 0, 0, 0, 0]));
        let with_flags = |form: &[u8; 48], flags: u8| {
            let mut form = *form;
            form[0] = (form[0] & 0x1f) | (flags << 5);
            form
        };
        let mut read = 0;
        for form in forms.iter().flat_map(|form| (0..8).map(|flags| with_flags(form, flags))) {
            let expected = G1Affine::deserialize_compressed_unchecked(&form[..]).ok();
            assert_eq!(g1_on_curve(&form), expected, "{form:02x?}");
            let checked = G1Affine::deserialize_compressed(&form[..]).ok();
            assert_eq!(Portable::g1_from_compressed(&form), checked, "{form:02x?}");
            read += usize::from(checked.is_some());
        }
        assert!(read > 20, "{read}");
    }

    /// Points of the curve in the group and outside; that with x = 0 has order 3, and φ leaves it.
    fn points() -> Vec<G1Affine> {
        let on_curve =
            |x: u64| G1Affine::get_point_from_x_unchecked(Fq::from(x), x.is_multiple_of(3));
        let kinds = |point: G1Affine| {
            let of_cofactor = point.mul_bigint(Fr::MODULUS).into_affine();
            [point, -point, of_cofactor, point.clear_cofactor(), G1Affine::zero()]
        };
        (0..30).filter_map(on_curve).flat_map(kinds).collect()
    }

    fn compressed(point: &G1Affine) -> [u8; 48] {
        let mut form = [0; 48];
        point.serialize_compressed(&mut form[..]).expect("there is room");
        form
    }

    fn bytes_of(limbs: [u64; 6]) -> [u8; 48] {
        let mut bytes = [0; 48];
        for (place, limb) in bytes.chunks_exact_mut(8).rev().zip(limbs) {
            place.copy_from_slice(&limb.to_be_bytes());
        }
        bytes
    }
}
